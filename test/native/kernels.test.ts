/** Blocks on kernels of our own against the graphs that they replace, through the real addon. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../bench/support/reference'
import { openDevice, planLoad } from '../../lib/loading/load'
import { openModel } from '../../lib/model/layout'
import { loadRuntime } from '../../lib/native/binding'
import type {
  Dtype,
  HostTensor,
  NativeDevice,
  NativeKernels,
  NativeTensor,
  WeightBinding,
} from '../../lib/native/types'
import { smallModel } from '../support/models'
import { folderOf, removeFolders } from '../support/temporary-folder'

afterAll(removeFolders)

const runtime = loadRuntime({})
const { kind } = runtime.cpu
/** All that this CPU can stand for. Those that do not multiply bfloat16 do it in two steps, for these tests. */
const kinds = runtime.addon.cpu.kernels
const supported = kind !== 'baseline'
const describeKernels = supported ? describe : describe.skip
const because = supported ? '' : ' (SKIPPED: this CPU has neither AVX2 nor AVX-512)'

const PACKED: NativeKernels = { kind, pack: 'full', without: [] }
const MAPPED: NativeKernels = { kind, pack: 'none', without: [] }
const INT8: NativeKernels = { kind, pack: 'int8', without: [] }
const BYTES: NativeKernels = { kind, pack: 'bytes', without: [] }
/** Rows that meet weights of 8 bits are rounded to 16, or to 8 as well. */
const ROUNDED = ['int8', 'bytes'] as const
const without = (...names: string[]): NativeKernels => ({ kind, pack: 'full', without: names })

/** Numbers without a pattern that a block could hide behind, about as large as latents. */
const noise = (shape: readonly number[], seed: number): HostTensor => {
  let state = seed
  const next = () => {
    state = (state * 1103515245 + 12345) % 2147483648
    return state / 1073741824 - 1
  }
  const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, next)
  return { dtype: 'float32', shape, data }
}

function rowOf({ shape, data }: HostTensor, row: number): HostTensor {
  const size = data.length / (shape[0] as number)
  const own = (data as Float32Array).slice(row * size, (row + 1) * size)
  return { dtype: 'float32', shape: [1, ...shape.slice(1)], data: own }
}

interface Case {
  readonly model: string
  readonly graphs: string
}

const bundled: Case = {
  model: join(ROOT, 'models', 'shapes'),
  graphs: join(ROOT, 'graphs'),
}

const STAGES = ['prior', 'decoder', 'vqgan'] as const
type Stage = (typeof STAGES)[number]

/** Everything that can be left out. */
const BLOCKS = [
  ['prior', 'ResBlock'],
  ['prior', 'TimestepBlock'],
  ['prior', 'AttentionBlock'],
  ['prior', 'condition'],
  ['decoder', 'ResBlock'],
  ['decoder', 'TimestepBlock'],
  ['decoder', 'AttentionBlock'],
  ['decoder', 'condition'],
  ['decoder', 'collapse'],
  ['vqgan', 'MixingBlock'],
  ['prior', 'Pointwise'],
  ['decoder', 'Pointwise'],
] as const

const TEXT_ENCODERS = ['priorTextEncoder', 'decoderTextEncoder'] as const
type Text = (typeof TEXT_ENCODERS)[number]

/** Roundings are chance: of two equally exact ways one is some percent further. */
const NOT_FURTHER = 1.05
const NARROW = { stored: 'bfloat16', dtype: 'bfloat16' } as const

/** What a stage makes of the same inputs, on these kernels; null is the graph as it is. */
async function answer(
  { model, graphs }: Case,
  stage: Stage,
  kernels: NativeKernels | null,
  {
    rows = 2,
    height = 6,
    width = 10,
    threads = 2,
    stored = 'float32' as Dtype,
    dtype = 'float32' as Dtype,
    guided = [] as number[],
    poisoned = false,
    change = (weights: readonly WeightBinding[]) => weights,
  } = {},
): Promise<Float32Array> {
  const spoil = (tensor: HostTensor) => {
    if (poisoned) tensor.data[0] = NaN
    return tensor
  }
  const plan = await planLoad(await openModel(model), [graphs, join(ROOT, 'graphs')])
  const { device } = openDevice(runtime, 'cpu', threads)
  try {
    const { graph, weights } = plan[stage]
    const options = {
      graph: graph.path,
      weights: change(weights),
      blocks: graph.entry.blocks,
      stored,
      dtype,
      kernels,
    }
    const loaded = await device.load(options)
    if (stage === 'vqgan')
      return await first(
        device,
        await device.run(loaded, 'decode', [spoil(noise([rows, 4, height, width], 3))]),
      )
    const [modulation] = await device.run(loaded, 'modulate', [
      { ...noise([2], 5), data: Float32Array.of(0.7, 0.2) },
    ])
    const { c_cond: priorText, clip_embd: decoderText } = graph.entry.config
    const tokens = noise([rows, 11, (stage === 'prior' ? priorText : decoderText) as number], 7)
    const latents =
      stage === 'prior' ? noise([rows, 16, height, width], 9) : noise([rows, 4, 8 * height, 8 * width], 9)
    const image = noise([rows, 16, height, width], 11)
    const size = [8 * height, 8 * width]
    // Made for each picture alone, as the engine does it.
    const conditions = await Promise.all(
      Array.from({ length: rows }, (_, row) => {
        const [text, embeddings] = [rowOf(tokens, row), rowOf(image, row)]
        return device.run(loaded, 'condition', stage === 'prior' ? [text] : [text, embeddings, ...size])
      }),
    )
    const entriesOf = (row: number) =>
      (conditions[row] as readonly NativeTensor[]).map((entry) => device.row(entry, 0))
    const steps = await advanceInputs(device, spoil(latents), rows)
    await device.advance({
      graph: loaded,
      steps: 1,
      rounding: 'float32',
      rows: steps.map((row, index) => ({
        ...row,
        condition: entriesOf(index),
        // Another row's text, which is another text.
        negative: guided.includes(index) ? entriesOf((index + 1) % rows) : null,
        guidanceScale: 3,
        modulation: modulation as never,
        firstStep: index,
      })),
    })
    const parts = await Promise.all(steps.map(({ latents }) => device.read(latents)))
    return Float32Array.from(parts.flatMap(({ data }) => [...data]))
  } finally {
    await device.close()
  }
}

/** What a text encoder reads in a text of five tokens among 16. */
async function readText(
  { model, graphs }: Case,
  encoder: Text,
  kernels: NativeKernels | null,
  { stored = 'float32' as Dtype, dtype = 'float32' as Dtype, threads = 2, ids = [1, 9, 400, 9, 2] } = {},
): Promise<Float32Array> {
  const plan = await planLoad(await openModel(model), [graphs, join(ROOT, 'graphs')])
  const { device } = openDevice(runtime, 'cpu', threads)
  try {
    const { graph, weights } = plan[encoder]
    const { blocks } = graph.entry
    const loaded = await device.load({ graph: graph.path, weights, blocks, stored, dtype, kernels })
    const words = Int32Array.from({ length: 16 }, (_, index) => ids[index] ?? 0)
    const shape = [1, words.length]
    return await first(
      device,
      await device.run(loaded, 'encode', [
        { dtype: 'int64', shape, data: words },
        { dtype: 'int64', shape, data: words.map((_, index) => (index < ids.length ? 1 : 0)) },
      ]),
    )
  } finally {
    await device.close()
  }
}

async function first(device: NativeDevice, tensors: Awaited<ReturnType<NativeDevice['run']>>) {
  const [tensor] = tensors
  if (tensor === undefined) throw new Error('no answer')
  return (await device.read(tensor)).data
}

/** Rows whose latents become the prediction itself. */
async function advanceInputs(device: NativeDevice, latents: HostTensor, rows: number) {
  const all = await device.write(latents)
  return Promise.all(
    Array.from({ length: rows }, async (_, index) => ({
      latents: await device.affine(device.row(all, index), 1, 0),
      coefficients: Float32Array.of(0, 1, 0),
      noise: device.noise({ seed: 1, rows: 1, dtype: 'float32' }),
      noiseRow: 0,
      clean: null,
    })),
  )
}

function largestDifference(ours: Float32Array, theirs: Float32Array): number {
  expect(ours).toHaveLength(theirs.length)
  const largest = theirs.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  expect(largest).toBeGreaterThan(0)
  return (
    ours.reduce((most, value, index) => Math.max(most, Math.abs(value - (theirs[index] ?? NaN))), 0) / largest
  )
}

const LINEARS = /(channelwise\.[04]|to_[qkv]|to_out\.0)\.weight$/
const PASS = 256 // of a row of a weight has one scale

/** The same weights in a file of float32, those of the kernels' products rounded to 8 bits as the kernels do. */
function roundLinears(weights: readonly WeightBinding[], file: string): readonly WeightBinding[] {
  const parts = weights.map((binding) => {
    const values = floatsOf(binding)
    if (!LINEARS.test(binding.name)) return values
    const depth = binding.shape[1] as number
    for (let row = 0; row < values.length; row += depth) {
      for (let start = 0; start < depth; start += PASS)
        roundPass(values.subarray(row + start, row + Math.min(start + PASS, depth)))
    }
    return values
  })
  writeFileSync(file, Buffer.concat(parts.map(({ buffer }) => Buffer.from(buffer))))
  let offset = 0
  return weights.map(({ name, shape }, index) => {
    const bytes = 4 * (parts[index] as Float32Array).length
    offset += bytes
    return { name, shape, file, dtype: 'F32' as const, offset: offset - bytes, bytes }
  })
}

function roundPass(values: Float32Array): void {
  const scale = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127
  if (scale > 0)
    values.forEach((value, index) => {
      values[index] = Math.round(value / scale) * scale
    })
}

function floatsOf({ file, offset, bytes, dtype }: WeightBinding): Float32Array {
  const stored = readFileSync(file).subarray(offset, offset + bytes)
  if (dtype === 'F32') return new Float32Array(Uint8Array.from(stored).buffer)
  if (dtype !== 'F16') throw new Error(`Expected F32 or F16 but received ${dtype}`)
  return Float32Array.from({ length: bytes / 2 }, (_, index) => numberOfHalf(stored.readUInt16LE(2 * index)))
}

function numberOfHalf(bits: number): number {
  const [exponent, fraction] = [(bits >> 10) & 31, (bits & 1023) / 1024]
  const size = exponent === 0 ? fraction * 2 ** -14 : (1 + fraction) * 2 ** (exponent - 15)
  return bits & 0x8000 ? -size : size
}

const small = (): Case => {
  const { folder, graphs } = smallModel()
  return { model: folder, graphs }
}

/** Root of the mean square of what lies between two answers, over that of the second. */
function distance(ours: Float32Array, theirs: Float32Array): number {
  expect(ours).toHaveLength(theirs.length)
  const squares = (value: (index: number) => number) =>
    theirs.reduce((sum, _, index) => sum + value(index) ** 2, 0)
  const size = squares((index) => theirs[index] as number)
  expect(size).toBeGreaterThan(0)
  return Math.sqrt(squares((index) => (ours[index] as number) - (theirs[index] as number)) / size)
}

// A step divides by |1 - b|, so the last bits of b count many times there.
const TOLERANCE = { prior: 2e-4, decoder: 1e-4, vqgan: 1e-5 } as const

describeKernels(`kernels${because}`, () => {
  const models = [
    ['bundled', () => bundled],
    ['small', small],
  ] as const
  describe.each(models)('the %s model', (_, caseOf) => {
    it.each(STAGES)('%s: as the graph, packed and mapped, on every kind of CPU', async (stage) => {
      const model = caseOf()
      const wanted = await answer(model, stage, null)
      for (const kernels of kinds.flatMap((kind) => [
        { ...PACKED, kind },
        { ...MAPPED, kind },
      ])) {
        const ours = await answer(model, stage, kernels)
        expect(largestDifference(ours, wanted)).toBeLessThan(TOLERANCE[stage])
      }
    })

    it.each(STAGES)('%s: in bfloat16 as near to float32 as the graph', async (stage) => {
      const model = caseOf()
      const wanted = await answer(model, stage, null)
      const plain = distance(await answer(model, stage, null, NARROW), wanted)
      expect(plain).toBeGreaterThan(1e-3)
      for (const kind of kinds) {
        const packed = await answer(model, stage, { ...PACKED, kind }, NARROW)
        expect(distance(packed, wanted)).toBeLessThan(NOT_FURTHER * plain)
        expect(await answer(model, stage, { ...MAPPED, kind }, NARROW)).toEqual(packed)
      }
    })
  })

  it.each(TEXT_ENCODERS)('%s: as the graph, whatever the threads', async (encoder) => {
    const wanted = await readText(bundled, encoder, null)
    for (const kind of kinds) {
      const ours = await readText(bundled, encoder, { ...MAPPED, kind })
      expect(largestDifference(ours, wanted)).toBeLessThan(1e-5)
      expect(await readText(bundled, encoder, { ...MAPPED, kind }, { threads: 1 })).toEqual(ours)
      expect(ours).not.toEqual(wanted) // so the layers are ours
      const held = await readText(bundled, encoder, { ...MAPPED, kind }, { stored: 'bfloat16' })
      const graph = await readText(bundled, encoder, null, { stored: 'bfloat16' })
      expect(largestDifference(held, graph)).toBeLessThan(1e-5)
    }
    const without = await readText(bundled, encoder, { ...MAPPED, without: ['Layer'] })
    expect(without).toEqual(wanted)
    expect(await readText(bundled, encoder, MAPPED, { ids: [1, 9, 400, 7, 2] })).not.toEqual(wanted)
  })

  it.each(TEXT_ENCODERS)('%s: in bfloat16 as near to float32 as the graph', async (encoder) => {
    const wanted = await readText(bundled, encoder, null)
    const plain = distance(await readText(bundled, encoder, null, NARROW), wanted)
    for (const kind of kinds) {
      const ours = await readText(bundled, encoder, { ...MAPPED, kind }, NARROW)
      expect(distance(ours, wanted)).toBeLessThan(NOT_FURTHER * plain)
    }
  })

  it.each(STAGES)(
    '%s: bfloat16 is the same multiplied at once or in two steps, but for rounding',
    async (stage) => {
      const [first, ...others] = await Promise.all(
        kinds.map((kind) => answer(bundled, stage, { ...PACKED, kind }, NARROW)),
      )
      const plain = distance(await answer(bundled, stage, null, NARROW), await answer(bundled, stage, null))
      expect(kinds.length).toBeGreaterThan(0)
      for (const other of others) expect(distance(other, first as Float32Array)).toBeLessThan(plain)
    },
  )

  it.each(BLOCKS)('%s: in bfloat16 as near to float32 as the graph, without %s', async (stage, name) => {
    const wanted = await answer(bundled, stage, null)
    const plain = distance(await answer(bundled, stage, null, NARROW), wanted)
    const mixed = await answer(bundled, stage, without(name), NARROW)
    expect(distance(mixed, wanted)).toBeLessThan(NOT_FURTHER * plain)
  })

  it.each(STAGES)('%s: the same to the last bit alone as in a batch', async (stage) => {
    const ways = [
      [PACKED, {}],
      [MAPPED, {}],
      [PACKED, NARROW],
      [INT8, {}],
      [BYTES, {}],
    ] as const
    for (const [kernels, dtypes] of ways) {
      const together = await answer(bundled, stage, kernels, dtypes)
      const alone = await answer(bundled, stage, kernels, { ...dtypes, rows: 1 })
      expect(together.subarray(0, alone.length)).toEqual(alone)
    }
  })

  it.each(BLOCKS)('%s: as the graph, without %s', async (stage, name) => {
    const [mixed, wanted] = [await answer(bundled, stage, without(name)), await answer(bundled, stage, null)]
    expect(largestDifference(mixed, wanted)).toBeLessThan(TOLERANCE[stage])
    // So the name names something; a modulation is the same to the last bit, and short sums may be.
    if (name !== 'TimestepBlock' && name !== 'Pointwise')
      expect(mixed).not.toEqual(await answer(bundled, stage, PACKED))
  })

  it.each(STAGES)('%s: the same on one thread as on three, but for rounding', async (stage) => {
    const one = await answer(bundled, stage, PACKED, { threads: 1 })
    const three = await answer(bundled, stage, PACKED, { threads: 3 })
    expect(largestDifference(three, one)).toBeLessThan(TOLERANCE[stage])
  })

  // A strip has at least 1024 cells, and 32 for each thread: here some strips, the last a short one, or a single one.
  it.each([
    ['float32', PACKED, {}],
    ['bfloat16', PACKED, NARROW],
    ['int8', INT8, {}],
  ] as const)('vqgan: the same to the last bit in strips as whole, in %s', async (_, kernels, dtypes) => {
    const model = small()
    for (const [height, width] of [
      [150, 36],
      [9, 700],
    ] as const) {
      const options = { ...dtypes, rows: 1, height, width }
      const strips = await answer(model, 'vqgan', kernels, options)
      const whole = await answer(model, 'vqgan', kernels, { ...options, threads: 200 })
      expect(whole).toEqual(strips)
      expect(await answer(model, 'vqgan', kernels, { ...options, threads: 1 })).toEqual(strips)
      // So they are what they are said to be.
      expect(strips).not.toEqual(await answer(model, 'vqgan', { ...kernels, without: ['strips'] }, options))
      const graph = await answer(model, 'vqgan', null, options)
      expect(distance(strips, graph)).toBeLessThan(kernels === INT8 ? 0.012 : 'dtype' in dtypes ? 0.01 : 1e-5)
    }
  })

  it('vqgan: paints the pixels that it decodes', async () => {
    const { model, graphs } = small()
    const plan = await planLoad(await openModel(model), [graphs])
    const { device } = openDevice(runtime, 'cpu', 2)
    try {
      const { graph, weights } = plan.vqgan
      const [strips, whole] = await Promise.all(
        [PACKED, null].map((kernels) =>
          device.load({ graph: graph.path, weights, stored: 'float32', dtype: 'float32', kernels }),
        ),
      )
      const latents = await device.write(noise([1, 4, 40, 30], 3))
      const [ours, theirs] = [
        await device.decode(strips as never, latents),
        await device.decode(whole as never, latents),
      ]
      expect([ours.width, ours.height]).toEqual([theirs.width, theirs.height])
      expect(new Set(ours.data).size).toBeGreaterThan(50)
      const apart = ours.data.map((level, index) => Math.abs(level - (theirs.data[index] as number)))
      expect(Math.max(...apart)).toBeLessThanOrEqual(1)
      expect(apart.filter((levels) => levels > 0).length).toBeLessThan(0.001 * apart.length)
    } finally {
      await device.close()
    }
  })

  it.each([[[0, 1]], [[1]], [[0]]])(
    'prior: rows %j guided, with copies left out and without',
    async (guided) => {
      const wanted = await answer(bundled, 'prior', null, { guided })
      expect(largestDifference(await answer(bundled, 'prior', PACKED, { guided }), wanted)).toBeLessThan(2e-4)
      const whole = await answer(bundled, 'prior', without('copies'), { guided })
      expect(largestDifference(whole, wanted)).toBeLessThan(2e-4)
      expect(largestDifference(wanted, await answer(bundled, 'prior', null))).toBeGreaterThan(0.01)
    },
  )

  it('decoder: guided rows read their own embeddings', async () => {
    const wanted = await answer(bundled, 'decoder', null, { guided: [1] })
    expect(largestDifference(await answer(bundled, 'decoder', PACKED, { guided: [1] }), wanted)).toBeLessThan(
      1e-4,
    )
  })

  it.each(['bfloat16', 'float16'] as const)('reads weights held in %s where they lie', async (stored) => {
    const options = { stored }
    const wanted = await answer(bundled, 'prior', null, options)
    expect(largestDifference(await answer(bundled, 'prior', MAPPED, options), wanted)).toBeLessThan(2e-4)
    expect(largestDifference(await answer(bundled, 'prior', PACKED, options), wanted)).toBeLessThan(2e-4)
  })

  it.each(STAGES)('%s: nearly as the graph, in 8 bits', async (stage) => {
    const wanted = await answer(bundled, stage, PACKED)
    for (const pack of ROUNDED) {
      const answers: Record<string, Float32Array> = {}
      for (const kind of kinds) {
        const narrow = await answer(bundled, stage, { kind, pack, without: [] })
        expect(largestDifference(narrow, wanted)).toBeLessThan(0.03)
        expect(distance(narrow, wanted)).toBeLessThan(0.012)
        expect(narrow).not.toEqual(wanted)
        answers[kind] = narrow
      }
      // Sums of a pass are exact, whether fours of bytes are multiplied at once or one after the other.
      if ('avx512_vnni' in answers) expect(answers.avx512_vnni).toEqual(answers.avx512)
    }
  })

  it.each(ROUNDED)('NaN stays NaN with %s', async (pack) => {
    for (const stage of STAGES) {
      const clean = await answer(bundled, stage, { kind, pack, without: [] })
      expect(clean.some(Number.isNaN)).toBe(false)
      const poisoned = await answer(bundled, stage, { kind, pack, without: [] }, { poisoned: true })
      expect(poisoned.some(Number.isNaN)).toBe(true)
    }
  })

  it('prior: in 8 bits as in float32 with weights that were rounded before', async () => {
    const rounded = {
      change: (weights: readonly WeightBinding[]) => roundLinears(weights, join(folderOf({}), 'rounded')),
    }
    const wanted = await answer(bundled, 'prior', PACKED, rounded)
    expect(largestDifference(await answer(bundled, 'prior', INT8), wanted)).toBeLessThan(1e-3)
    expect(largestDifference(await answer(bundled, 'prior', PACKED), wanted)).toBeGreaterThan(3e-3)
  })

  it.each([
    [1, 6, 6],
    [2, 1, 1],
    [2, 5, 31],
    [1, 24, 17],
  ])('takes %d rows of %d x %d', async (rows, height, width) => {
    for (const stage of ['prior', 'decoder', 'vqgan'] as const) {
      const options = { rows, height, width }
      const wanted = await answer(bundled, stage, null, options)
      const ours = await answer(bundled, stage, PACKED, options)
      expect(largestDifference(ours, wanted)).toBeLessThan(TOLERANCE[stage])
      const plain = distance(await answer(bundled, stage, null, { ...options, ...NARROW }), wanted)
      const narrow = await answer(bundled, stage, PACKED, { ...options, ...NARROW })
      // Of a single pixel there are so few numbers that chance has the last word.
      expect(distance(narrow, wanted)).toBeLessThan((height * width > 16 ? 1.2 : 4) * plain)
    }
  })
})
