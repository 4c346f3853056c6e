/** Inputs of shapes that no graph makes: kernels of our own refuse them, as the graphs in whose place they run. */
import { join } from 'node:path'
import { ROOT } from '../../bench/support/reference'
import { openDevice } from '../../lib/loading/load'
import { planLoad } from '../../lib/loading/plan'
import { openModel } from '../../lib/model/layout'
import { loadRuntime } from '../../lib/native/binding'
import type { Dtype, NativeDevice, NativeGraph, NativeTensor } from '../../lib/native/types'
import { volume } from '../../lib/tensors/shape'

const runtime = loadRuntime({})
const { kind } = runtime.cpu
const supported = kind !== 'baseline'
const describeKernels = supported ? describe : describe.skip
const because = supported ? '' : ' (SKIPPED: this CPU has no kernels)'

type Shape = readonly number[]
type Stage = 'prior' | 'decoder'

const SIZE = { prior: [6, 10], decoder: [48, 80] } as const
const CHANNELS = { prior: 16, decoder: 4 } as const

let device: NativeDevice
beforeAll(() => {
  device = openDevice(runtime, 'cpu', 2).device
})
afterAll(() => device.close())

const write = (shape: Shape) => {
  const data = new Float32Array(volume(shape)).fill(0.1)
  return device.write({ dtype: 'float32', shape, data })
}

interface Inputs {
  readonly latents: NativeTensor
  readonly modulation: NativeTensor
  readonly condition: readonly NativeTensor[]
}

async function load(stage: Stage, dtype: Dtype): Promise<NativeGraph> {
  const plan = await planLoad(await openModel(join(ROOT, 'models', 'shapes')), [join(ROOT, 'graphs')])
  const { graph, weights } = plan[stage]
  const kernels = { kind, pack: 'full', without: [] } as const
  const { blocks } = graph.entry
  return device.load({ graph: graph.path, weights, blocks, stored: dtype, dtype, kernels })
}

async function rightInputs(stage: Stage, graph: NativeGraph): Promise<Inputs> {
  const [height, width] = SIZE[stage]
  const ratio = { dtype: 'float32', shape: [1], data: Float32Array.of(0.5) } as const
  const [modulation] = await device.run(graph, 'modulate', [ratio])
  const plan = await planLoad(await openModel(join(ROOT, 'models', 'shapes')), [join(ROOT, 'graphs')])
  const { config } = plan[stage].graph.entry
  const text = await write([1, 11, config[stage === 'prior' ? 'c_cond' : 'clip_embd'] as number])
  const image = stage === 'prior' ? [] : [await write([1, 16, 6, 10]), height, width]
  const condition = await device.run(graph, 'condition', [text, ...image])
  const latents = await write([1, CHANNELS[stage], height, width])
  return { latents, modulation: modulation as NativeTensor, condition }
}

const advance = (graph: NativeGraph, inputs: Inputs) =>
  device.advance({
    graph,
    steps: 1,
    rounding: 'float32',
    rows: [
      {
        ...inputs,
        negative: null,
        guidanceScale: 1,
        firstStep: 0,
        coefficients: Float32Array.of(0, 1, 0),
        noise: device.noise({ seed: 1, rows: 1, dtype: 'float32' }),
        noiseRow: 0,
        clean: null,
      },
    ],
  })

const replaced = async (tensors: readonly NativeTensor[], index: number, shape: Shape) =>
  Promise.all(tensors.map((tensor, place) => (place === index ? write(shape) : tensor)))

/** The shape of an entry with one axis of another length. */
const resized = ({ shape }: NativeTensor, axis: number, change: (length: number) => number) =>
  shape.map((length, place) => (place === axis ? change(length) : length))

const half = (length: number) => Math.floor(length / 2)
const firstOf = (tensors: readonly NativeTensor[], dimensions: number) =>
  tensors.findIndex(({ shape }) => shape.length === dimensions && shape.every((length) => length > 0))

type Spoil = (inputs: Inputs) => Promise<Partial<Inputs>>

const WRONG: [string, Stage, RegExp, Spoil][] = [
  [
    'a modulation that is too narrow',
    'prior',
    /modulation/,
    async () => ({ modulation: await write([1, 8]) }),
  ],
  [
    'a modulation that is too narrow',
    'decoder',
    /modulation/,
    async () => ({ modulation: await write([1, 8]) }),
  ],
  [
    'latents without a pixel',
    'prior',
    /with a (pixel|row)/,
    async () => ({ latents: await write([1, CHANNELS.prior, 0, 10]) }),
  ],
  [
    'latents of fewer channels',
    'prior',
    /Expected x to be/,
    async () => ({ latents: await write([1, CHANNELS.prior / 2, 6, 10]) }),
  ],
  [
    'a condition of too few entries',
    'prior',
    /condition/,
    async ({ condition }) => ({ condition: condition.slice(0, 1) }),
  ],
  ...([2, 4] as const).map((axis): [string, Stage, RegExp, Spoil] => [
    `keys and values of the text with half of axis ${axis}`,
    'prior',
    /condition/,
    async ({ condition }) => ({
      condition: await replaced(condition, 1, resized(condition[1] as NativeTensor, axis, half)),
    }),
  ]),
  ...([1, 2, 3] as const).map((axis): [string, Stage, RegExp, Spoil] => [
    `image embeddings with half of axis ${axis}`,
    'decoder',
    /skip|sizes|size|shape/i,
    async ({ condition }) => {
      const index = firstOf(condition, 4)
      const shape = resized(condition[index] as NativeTensor, axis, half)
      return { condition: await replaced(condition, index, shape) }
    },
  ]),
]

describeKernels(`Kernels${because}`, () => {
  it.each(WRONG)('refuse %s (%s)', async (_what, stage, message, spoil) => {
    const graph = await load(stage, 'float32')
    const inputs = await rightInputs(stage, graph)
    await advance(graph, inputs)
    const wrong = { ...(await rightInputs(stage, graph)), ...(await spoil(inputs)) }
    const error = await advance(graph, wrong).then(
      () => null,
      (error) => error,
    )
    expect(error?.code).toMatch(/^(INVALID_ARGUMENT|GRAPH_FAILED)$/)
    expect(error.message).toMatch(message)
    await advance(graph, await rightInputs(stage, graph)) // as well as before
    graph.dispose()
  })

  it('refuse numbers of another width', async () => {
    const graph = await load('prior', 'bfloat16')
    const inputs = await rightInputs('prior', graph)
    const modulation = await write(inputs.modulation.shape) // float32, read as bfloat16
    await expect(advance(graph, { ...inputs, modulation })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('Expected modulation to be BFloat16'),
    })
    graph.dispose()
  })

  it('refuse a map without a pixel in Stage A', async () => {
    const plan = await planLoad(await openModel(join(ROOT, 'models', 'shapes')), [join(ROOT, 'graphs')])
    const { graph, weights } = plan.vqgan
    const kernels = { kind, pack: 'full', without: [] } as const
    const vqgan = await device.load({
      graph: graph.path,
      weights,
      stored: 'float32',
      dtype: 'float32',
      kernels,
    })
    await expect(device.run(vqgan, 'decode', [await write([1, 4, 0, 8])])).rejects.toMatchObject({
      message: expect.stringMatching(/with a (pixel|row)|non-empty|size/),
    })
    vqgan.dispose()
  })
})
