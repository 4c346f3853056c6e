/** How a step of v2, as it is on the hub, is cut for machines with more cores than this one. Nothing of it is computed. */
import { appendFileSync, closeSync, ftruncateSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../bench/support/reference'
import { describe as describePlan, regionsOf } from '../../bench/support/scaling'
import { openDevice } from '../../lib/loading/load'
import { loadRuntime } from '../../lib/native/binding'
import type { HostTensor, NativeDevice, NativeGraph } from '../../lib/native/types'
import { volume } from '../../lib/tensors/shape'
import { folderOf, removeFolders } from '../support/temporary-folder'

afterAll(removeFolders)

const runtime = loadRuntime({})
const { kind } = runtime.cpu
const supported = kind !== 'baseline'
const describeKernels = supported ? describe : describe.skip
const because = supported ? '' : ' (SKIPPED: there are no kernels for this CPU)'

type Stage = 'prior' | 'decoder' | 'vqgan'
interface Parameter {
  readonly name: string
  readonly shape: readonly number[]
}

const GRAPHS = join(ROOT, 'graphs', 'v2')
const manifest: {
  readonly graphs: readonly { readonly component: string; readonly parameters: readonly Parameter[] }[]
} = JSON.parse(readFileSync(join(GRAPHS, 'manifest.json'), 'utf8'))

/** A core's rate in operations a microsecond, and microseconds to wake two threads: of 2 cores of an AMD EPYC (Zen 4). */
const COSTS = { rate: 90e3, region: 5 }
const FLOAT = 4
const THREADS = [1, 2, 16, 64]

const zeros = (...shape: number[]): HostTensor => ({
  dtype: 'float32',
  shape,
  data: new Float32Array(volume(shape)),
})

/** The stage at its full size, with weights that are a hole in a file. */
async function load(device: NativeDevice, stage: Stage): Promise<NativeGraph> {
  const entry = manifest.graphs.find(({ component }) => component === stage)
  if (entry === undefined) throw new Error(`no ${stage}`)
  const sizes = entry.parameters.map(({ shape }) => FLOAT * volume(shape))
  const file = join(folderOf({ hole: '' }), 'hole')
  const descriptor = openSync(file, 'r+')
  ftruncateSync(descriptor, Math.max(...sizes))
  closeSync(descriptor)
  const weights = entry.parameters.map(({ name, shape }, index) => {
    const integer = name.endsWith('position_ids') || name.endsWith('num_batches_tracked')
    return {
      name,
      shape,
      file,
      offset: 0,
      bytes: (sizes[index] as number) * (integer ? 2 : 1),
      dtype: integer ? ('I64' as const) : ('F32' as const),
    }
  })
  return device.load({
    graph: join(GRAPHS, `${stage}.pt`),
    weights,
    stored: 'float32',
    dtype: 'float32',
    kernels: { kind, pack: 'full', without: [] },
  })
}

/** A call of the stage's hot method for so many pictures; guided in Stage C. */
async function callOf(device: NativeDevice, graph: NativeGraph, stage: Stage, side: number, batch: number) {
  const cells = Math.ceil((side * 24) / 1024)
  if (stage === 'vqgan') {
    const latents = await device.write(zeros(1, 4, side / 4, side / 4))
    return () => device.decode(graph, latents)
  }
  const [modulation] = await device.run(graph, 'modulate', [zeros(1)])
  const text = zeros(1, 77, stage === 'prior' ? 1280 : 1024)
  const inputs = stage === 'prior' ? [text] : [text, zeros(1, 16, cells, cells), side / 4, side / 4]
  const condition = await device.run(graph, 'condition', inputs)
  const shape = stage === 'prior' ? [1, 16, cells, cells] : [1, 4, side / 4, side / 4]
  const rows = await Promise.all(
    Array.from({ length: batch }, async () => ({
      latents: await device.write(zeros(...shape)),
      condition,
      negative: stage === 'prior' ? condition : null,
      guidanceScale: 3,
      modulation: modulation as never,
      firstStep: 0,
      coefficients: Float32Array.of(0, 1, 0),
      noise: device.noise({ seed: 1, rows: 1, dtype: 'float32' as const }),
      noiseRow: 0,
      clean: null,
    })),
  )
  return () => device.advance({ graph, steps: 1, rounding: 'float32', rows })
}

async function plansOf(device: NativeDevice, graph: NativeGraph, stage: Stage, side: number, batch: number) {
  const call = await callOf(device, graph, stage, side, batch)
  const found = []
  for (const threads of THREADS) {
    await device.traceTasks(threads, false)
    await call()
    found.push(regionsOf((await device.traceTasks(0, false)).data))
  }
  const [single] = found
  return found.map((regions, index) => describePlan(regions, single ?? [], THREADS[index] as number, COSTS))
}

/** Sides, pictures, and how much of 16 threads is used at least. What libtorch's own operators do is not counted. */
const SIZES = {
  prior: [
    [512, 1, 0.8],
    [1024, 1, 0.9],
    [1024, 8, 0.95],
  ],
  decoder: [
    [512, 1, 0.8],
    [1024, 1, 0.8],
    [512, 8, 0.9],
  ],
  vqgan: [
    [512, 1, 0.9],
    [1024, 1, 0.9],
  ],
} as const

describeKernels(`the plan of a step${because}`, () => {
  it.each(['prior', 'decoder', 'vqgan'] as const)('%s: has work for 16 threads and more', async (stage) => {
    const { device } = openDevice(runtime, 'cpu', 2)
    try {
      const graph = await load(device, stage)
      await device.traceTasks(2, false)
      await (await callOf(device, graph, stage, 64, 1))() // packs weights, which is no part of a step
      for (const [side, batch, share] of SIZES[stage]) {
        const plans = await plansOf(device, graph, stage, side, batch)
        const shown = process.env.SHOW_PLANS // a file
        if (shown)
          appendFileSync(
            shown,
            `${plans.map((plan) => JSON.stringify({ stage, side, batch, ...plan })).join('\n')}\n`,
          )
        const [one, two, sixteen, many] = plans.map(({ efficiency }) => efficiency)
        expect(one).toBe(1)
        expect(two).toBeGreaterThan(0.94)
        expect(sixteen).toBeGreaterThan(share)
        expect(many).toBeGreaterThan(side === 1024 || batch > 1 ? 0.7 : 0.5)
        for (const plan of plans) {
          expect(plan.serial).toBeLessThan(0.01)
          expect(plan.regions).toBe(plans[0]?.regions)
          expect(plan.regions).toBeLessThan(500)
        }
        expect(plans[2]?.starved).toBeLessThan(0.01)
      }
    } finally {
      await device.close()
    }
  })
})
