import type {
  AdvanceRow,
  HostTensor,
  NativeDevice,
  NativeGraph,
  NativeNoise,
  NativeTensor,
  PackedTensor,
  RebindOptions,
  WeightBinding,
} from '../../lib/native/types'

/** A tensor of one number: enough to see whose row is whose. */
export class FakeTensor implements NativeTensor {
  disposed = false
  constructor(
    private readonly device: FakeDevice,
    readonly shape: readonly number[],
    /** One number, or one per step for a modulation. */
    public values: readonly number[],
  ) {
    device.live.add(this)
  }

  get value(): number {
    if (this.disposed) throw Object.assign(new Error('tensor used after its end'), { code: 'DISPOSED' })
    return this.values[0] ?? 0
  }

  dispose(): void {
    this.disposed = true
    this.device.live.delete(this)
  }
}

export class FakeGraph implements NativeGraph {
  disposed = false
  readonly refused = {}
  /** What its calls took, and what its kernels keep. */
  taken = { peak: 0, kernels: 0 }
  constructor(
    readonly name: string,
    public memory = { weights: 0, copied: 0 },
  ) {}
  peakBytes(): number {
    return this.taken.peak
  }
  kernelBytes(): number {
    return this.taken.kernels
  }
  repackedBytes(): number {
    return 0
  }
  recordings() {
    return { recorded: 0, replayed: 0, refused: null }
  }
  dispose(): void {
    this.disposed = true
  }
}

export class FakeNoise implements NativeNoise {
  readonly released = new Set<number>()
  private readonly draws: number[]
  constructor(
    private readonly device: FakeDevice,
    readonly seed: number,
    readonly rows: number,
  ) {
    this.draws = new Array(rows).fill(0)
    device.live.add(this)
  }

  draw(row: number): number {
    const place = this.draws[row] ?? 0
    this.draws[row] = place + 1
    return Math.sin(this.seed * 7.3 + row * 3.1 + place * 1.7)
  }

  release(row: number): void {
    this.released.add(row)
  }

  dispose(): void {
    this.device.live.delete(this)
  }
}

/** One call as the device saw it. */
export interface Call {
  readonly method: string
  readonly graph?: string
  readonly inputs?: readonly unknown[]
  readonly rows?: readonly AdvanceRow[]
}

/** A device that computes with single numbers, in order, one call per turn of the event loop. */
export class FakeDevice implements NativeDevice {
  readonly calls: Call[] = []
  readonly noises: FakeNoise[] = []
  /** Tensors and noises that were not freed. */
  readonly live = new Set<unknown>()
  /** Called before each call is carried out; what it throws, or rejects with, fails the call. */
  before: (call: Call) => void | Promise<void> = () => undefined
  closed = false
  private queue: Promise<unknown> = Promise.resolve()

  /** What each `advance` ran: the stage and how many rows. */
  get batches(): string[] {
    return this.calls.flatMap(({ method, graph, rows }) =>
      method === 'advance' ? [`${graph} ${rows?.length}`] : [],
    )
  }

  named(method: string, graph?: string): Call[] {
    return this.calls.filter(
      (call) => call.method === method && (graph === undefined || call.graph === graph),
    )
  }

  load(options: { readonly graph: string }): Promise<NativeGraph> {
    return this.does({ method: 'load', graph: options.graph }, () => new FakeGraph(options.graph))
  }

  rebind(graph: NativeGraph, weights: readonly WeightBinding[], how?: RebindOptions): Promise<void> {
    const call = { method: 'rebind', graph: (graph as FakeGraph).name, inputs: [weights, how] }
    return this.does(call, () => undefined)
  }

  release(graph: NativeGraph): Promise<void> {
    return this.change('release', graph)
  }
  prefetch(graph: NativeGraph): Promise<void> {
    return this.change('prefetch', graph)
  }
  limitWeights(graph: NativeGraph, window: number): Promise<void> {
    return this.change('limitWeights', graph, window)
  }
  save(graph: NativeGraph, path: string): Promise<void> {
    return this.change('save', graph, path)
  }
  savePacked(graph: NativeGraph, path: string): Promise<void> {
    return this.change('savePacked', graph, path)
  }
  keepPacked(graph: NativeGraph, packed: readonly PackedTensor[]): Promise<void> {
    return this.change('keepPacked', graph, packed)
  }

  private change(method: string, graph: NativeGraph, ...inputs: unknown[]): Promise<void> {
    const of = { method, graph: (graph as FakeGraph).name }
    return this.does(inputs.length > 0 ? { ...of, inputs } : of, () => undefined)
  }

  run(
    graph: NativeGraph,
    method: string,
    inputs: readonly (NativeTensor | HostTensor | number)[],
  ): Promise<NativeTensor[]> {
    const sum = inputs.reduce<number>((total, input, index) => total + (index + 1) * numberOf(input), 0)
    return this.does({ method, graph: (graph as FakeGraph).name, inputs }, () => {
      if (method === 'modulate') {
        const ratios = Array.from((inputs[0] as HostTensor).data)
        return [new FakeTensor(this, [ratios.length, 1], ratios)]
      }
      return [new FakeTensor(this, [1, 1], [sum % 97])]
    })
  }

  noise({ seed, rows }: { readonly seed: number; readonly rows: number }): NativeNoise {
    const noise = new FakeNoise(this, seed, rows)
    this.noises.push(noise)
    return noise
  }

  drawLatents({
    noise,
    noiseRow,
    shape,
  }: {
    noise: NativeNoise
    noiseRow: number
    shape: readonly [number, number, number]
  }): Promise<NativeTensor> {
    return this.does(
      { method: 'drawLatents' },
      () => new FakeTensor(this, [1, ...shape], [(noise as FakeNoise).draw(noiseRow)]),
    )
  }

  advance({
    graph,
    rows,
  }: {
    readonly graph: NativeGraph
    readonly rows: readonly AdvanceRow[]
  }): Promise<void> {
    // As the addon does: whoever is freed from here on stays until the call returns.
    for (const { latents, modulation, condition, negative } of rows) {
      for (const tensor of [latents, modulation, ...condition, ...(negative ?? [])]) numberOf(tensor)
    }
    return this.does({ method: 'advance', graph: (graph as FakeGraph).name, rows }, () => {
      for (const row of rows) advanceRow(row)
    })
  }

  affine(tensor: NativeTensor, scale: number, shift: number): Promise<NativeTensor> {
    const value = numberOf(tensor) * scale + shift
    return this.does(
      { method: 'affine', inputs: [scale, shift] },
      () => new FakeTensor(this, tensor.shape, [value]),
    )
  }

  row(tensor: NativeTensor): NativeTensor {
    return new FakeTensor(this, tensor.shape, (tensor as FakeTensor).values)
  }

  decode(
    graph: NativeGraph,
    latents: NativeTensor,
  ): Promise<{ data: Uint8Array; width: number; height: number }> {
    const grey = Math.round(1e6 * numberOf(latents)) & 255
    return this.does({ method: 'decode', graph: (graph as FakeGraph).name }, () => {
      const [, , height = 0, width = 0] = latents.shape
      return {
        data: new Uint8Array(width * height * 3 * 16).fill(grey),
        width: width * 4,
        height: height * 4,
      }
    })
  }

  traceTasks(): Promise<{ shape: readonly number[]; data: Float32Array }> {
    return this.does({ method: 'traceTasks' }, () => ({ shape: [0], data: new Float32Array() }))
  }

  read(tensor: NativeTensor): Promise<{ shape: readonly number[]; data: Float32Array }> {
    const data = Float32Array.of(numberOf(tensor))
    return this.does({ method: 'read' }, () => ({ shape: tensor.shape, data }))
  }

  write(tensor: HostTensor): Promise<NativeTensor> {
    return this.does(
      { method: 'write', inputs: [tensor] },
      () => new FakeTensor(this, tensor.shape, [numberOf(tensor)]),
    )
  }

  async close(): Promise<void> {
    this.closed = true
    await this.queue
  }

  private does<T>(call: Call, work: () => T): Promise<T> {
    const done = this.queue.then(async () => {
      await new Promise((resolve) => setImmediate(resolve))
      this.calls.push(call)
      await this.before(call)
      return work()
    })
    this.queue = done.catch(() => undefined)
    return done
  }
}

function advanceRow(row: AdvanceRow): void {
  const latents = row.latents as FakeTensor
  const [latent = Number.NaN] = latents.values
  const modulation = (row.modulation as FakeTensor).values[row.firstStep] ?? Number.NaN
  const predict = (condition: readonly NativeTensor[]) =>
    Math.sin(latent + modulation + ((condition[0] as FakeTensor).values[0] ?? Number.NaN))
  const conditional = predict(row.condition)
  const unconditional = row.negative === null ? conditional : predict(row.negative)
  const prediction = unconditional + row.guidanceScale * (conditional - unconditional)
  const [c0 = 0, c1 = 0, c2 = 0] = row.coefficients
  if (row.clean !== null) {
    const [ofLatents = 0, ofPrediction = 0] = row.clean.coefficients
    ;(row.clean.latents as FakeTensor).values = [ofLatents * latent + ofPrediction * prediction]
  }
  const noise = (row.noise as FakeNoise).draw(row.noiseRow)
  latents.values = [c0 * latent + c1 * prediction + c2 * noise]
}

function numberOf(input: NativeTensor | HostTensor | number): number {
  if (typeof input === 'number') return input
  if (input instanceof FakeTensor) return input.value
  return Array.from((input as HostTensor).data).reduce((sum, value, index) => sum + value * (index + 1), 0)
}

/** Resolves at the `count`th call of a method. */
export function atCall(device: FakeDevice, method: string, count: number): Promise<void> {
  return new Promise((resolve) => {
    const before = device.before
    device.before = async (call) => {
      await before(call)
      if (call.method === method && device.named(method).length === count) resolve()
    }
  })
}
