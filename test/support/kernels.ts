/** What stages make on kernels of ours, and on the graphs that they replace. */
import { join } from 'node:path'
import { ROOT } from '../../bench/support/reference'
import { openDevice } from '../../lib/loading/load'
import { type LoadPlan, planLoad } from '../../lib/loading/plan'
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
import { volume } from '../../lib/tensors/shape'
import { smallModel } from './models'

export const runtime = loadRuntime({})
export const { kind } = runtime.cpu
/** All that this CPU can stand for. Those that do not multiply bfloat16 do it in two steps, for these tests. */
export const kinds = runtime.addon.cpu.kernels
export const supported = kind !== 'baseline'
export const describeKernels = supported ? describe : describe.skip
export const because = supported ? '' : ' (SKIPPED: this CPU has neither AVX2 nor AVX-512)'

export const PACKED: NativeKernels = { kind, pack: 'full', without: [] }
export const MAPPED: NativeKernels = { kind, pack: 'none', without: [] }
export const INT8: NativeKernels = { kind, pack: 'int8', without: [] }
export const BYTES: NativeKernels = { kind, pack: 'bytes', without: [] }
/** Rows that meet weights of 8 bits are rounded to 16, or to 8 as well. */
export const ROUNDED = ['int8', 'bytes'] as const
export const without = (...names: string[]): NativeKernels => ({ kind, pack: 'full', without: names })

/** Numbers without a pattern that a block could hide behind, about as large as latents. */
export const noise = (shape: readonly number[], seed: number): HostTensor => {
  let state = seed
  const next = () => {
    state = (state * 1103515245 + 12345) % 2147483648
    return state / 1073741824 - 1
  }
  const data = Float32Array.from({ length: volume(shape) }, next)
  return { dtype: 'float32', shape, data }
}

export function rowOf({ shape, data }: HostTensor, row: number): HostTensor {
  const size = data.length / (shape[0] as number)
  const own = (data as Float32Array).slice(row * size, (row + 1) * size)
  return { dtype: 'float32', shape: [1, ...shape.slice(1)], data: own }
}

export interface Case {
  readonly model: string
  readonly graphs: string
}

const ALL_GRAPHS = join(ROOT, 'graphs')

export const bundled: Case = {
  model: join(ROOT, 'models', 'shapes'),
  graphs: ALL_GRAPHS,
}

export const STAGES = ['prior', 'decoder', 'vqgan'] as const
export type Stage = (typeof STAGES)[number]

/** Everything that can be left out. */
export const BLOCKS = [
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
  ['prior', 'Linear'],
  ['decoder', 'Linear'],
  ['decoder', 'Resample'],
] as const

export const TEXT_ENCODERS = ['priorTextEncoder', 'decoderTextEncoder'] as const
export type Text = (typeof TEXT_ENCODERS)[number]

/** Roundings are chance: of two equally exact ways one is some percent further. */
export const NOT_FURTHER = 1.05
export const NARROW = { stored: 'bfloat16', dtype: 'bfloat16' } as const

interface Options {
  readonly rows?: number
  readonly height?: number
  readonly width?: number
  readonly threads?: number
  readonly stored?: Dtype
  readonly dtype?: Dtype
  readonly guided?: readonly number[]
  readonly poisoned?: boolean
  readonly change?: (weights: readonly WeightBinding[]) => readonly WeightBinding[]
}

const plans = new Map<string, Promise<LoadPlan>>()

/** Of hundreds of loads of the same models. */
function planOf({ model, graphs }: Case): Promise<LoadPlan> {
  const known = plans.get(model) ?? openModel(model).then((files) => planLoad(files, [graphs, ALL_GRAPHS]))
  plans.set(model, known)
  return known
}

const answers = new Map<string, Promise<Float32Array>>()

/** What a stage makes of the same inputs, on these kernels; null is the graph as it is. Many tests want the same: made once. */
export function answer(
  model: Case,
  stage: Stage,
  kernels: NativeKernels | null,
  options: Options = {},
): Promise<Float32Array> {
  if (options.change !== undefined) return compute(model, stage, kernels, options)
  const key = JSON.stringify([model, stage, kernels, Object.entries(options).sort()])
  const known = answers.get(key) ?? compute(model, stage, kernels, options)
  answers.set(key, known)
  return known
}

async function compute(
  of: Case,
  stage: Stage,
  kernels: NativeKernels | null,
  {
    rows = 2,
    height = 6,
    width = 10,
    threads = 2,
    stored = 'float32',
    dtype = 'float32',
    guided = [],
    poisoned = false,
    change = (weights) => weights,
  }: Options = {},
): Promise<Float32Array> {
  const spoil = (tensor: HostTensor) => {
    if (poisoned) tensor.data[0] = NaN
    return tensor
  }
  const plan = await planOf(of)
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
export async function readText(
  of: Case,
  encoder: Text,
  kernels: NativeKernels | null,
  { stored = 'float32' as Dtype, dtype = 'float32' as Dtype, threads = 2, ids = [1, 9, 400, 9, 2] } = {},
): Promise<Float32Array> {
  const plan = await planOf(of)
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

export async function first(device: NativeDevice, tensors: Awaited<ReturnType<NativeDevice['run']>>) {
  const [tensor] = tensors
  if (tensor === undefined) throw new Error('no answer')
  return (await device.read(tensor)).data
}

/** Rows whose latents become the prediction itself. */
export async function advanceInputs(device: NativeDevice, latents: HostTensor, rows: number) {
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

export function largestDifference(ours: Float32Array, theirs: Float32Array): number {
  expect(ours).toHaveLength(theirs.length)
  const largest = theirs.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  expect(largest).toBeGreaterThan(0)
  return (
    ours.reduce((most, value, index) => Math.max(most, Math.abs(value - (theirs[index] ?? NaN))), 0) / largest
  )
}

export const small = (): Case => {
  const { folder, graphs } = smallModel()
  return { model: folder, graphs }
}

/** Root of the mean square of what lies between two answers, over that of the second. */
export function distance(ours: Float32Array, theirs: Float32Array): number {
  expect(ours).toHaveLength(theirs.length)
  const squares = (value: (index: number) => number) =>
    theirs.reduce((sum, _, index) => sum + value(index) ** 2, 0)
  const size = squares((index) => theirs[index] as number)
  expect(size).toBeGreaterThan(0)
  return Math.sqrt(squares((index) => (ours[index] as number) - (theirs[index] as number)) / size)
}

// A step divides by |1 - b|, so the last bits of b count many times there.
export const TOLERANCE = { prior: 2e-4, decoder: 1e-4, vqgan: 1e-5 } as const
