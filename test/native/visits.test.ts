/**
 * Weights that stay on the host and visit the device in copies, as they do on a GPU. Here the device is the CPU: what comes and
 * goes is the same, only streams and pinned memory are not there.
 */
import { loadModel, openDevice } from '../../lib/loading/load'
import { planLoad } from '../../lib/loading/plan'
import { closeModel, type Model } from '../../lib/memory/loaded-model'
import type { Offload } from '../../lib/memory/residency'
import { openModel } from '../../lib/model/layout'
import { loadRuntime } from '../../lib/native/binding'
import type { Dtype, NativeDevice, NativeGraph } from '../../lib/native/types'
import { smallModel } from '../support/models'

const TEXT = { ids: new Int32Array(77).fill(3), mask: new Int32Array(77).fill(1), truncated: null }
const small = smallModel()

/** What was loaded last, in the order of loading. */
let graphs: NativeGraph[] = []

async function load(offload: Offload, visits: boolean, stored: Dtype = 'float32'): Promise<Model> {
  const files = await openModel(small.folder)
  const plan = await planLoad(files, [small.graphs])
  const { device } = openDevice(loadRuntime({}), 'cpu', 1)
  graphs = []
  const watched = new Proxy(device, {
    get: (_, name: keyof NativeDevice) => {
      if (name !== 'load') return device[name].bind(device)
      return async (options: Parameters<NativeDevice['load']>[0]) => {
        const graph = await device.load(options)
        graphs.push(graph)
        return graph
      }
    },
  })
  const dtypes = { stored, dtype: 'float32', rounding: 'float32' } as const
  const options = {
    ...dtypes,
    kernels: null,
    offload,
    visits,
    recorder: null,
    maxMemory: null,
    threads: 2,
    cache: null,
  }
  return (await loadModel(watched, files, plan, options)).model
}

/** Text, then what the prior makes of it, then pixels: three networks that take turns. */
async function run({ device, priorTextEncoder, prior, vqgan }: Model): Promise<readonly number[]> {
  const text = await priorTextEncoder.encode(TEXT)
  const [keys] = await prior.condition(text)
  if (keys === undefined) throw new Error('no condition')
  const latents = await device.write({
    dtype: 'float32',
    shape: [1, 4, 8, 8],
    data: Float32Array.from({ length: 256 }, (_, index) => Math.sin(index)),
  })
  const { data: pixels } = await vqgan.decode(latents)
  return [...(await device.read(keys)).data, ...pixels]
}

/** Bytes that calls of the prior's text encoder took at most. */
async function peakOfText(offload: Offload, visits: boolean) {
  const model = await load(offload, visits)
  const [graph] = graphs
  await run(model)
  const sizes = { peak: graph?.peakBytes() ?? 0, weights: graph?.memory.weights ?? 0 }
  await closeModel(model)
  return sizes
}

describe('Visiting weights', () => {
  it.each([
    ['model', 'float32'],
    ['sequential', 'float32'],
    ['model', 'bfloat16'],
    ['sequential', 'bfloat16'],
  ] as const)("'%s' in %s changes no number, twice", async (offload, stored) => {
    const plain = await load('none', false, stored)
    const expected = await run(plain)
    await closeModel(plain)
    const model = await load(offload, true, stored)
    expect(await run(model)).toEqual(expected)
    expect(await run(model)).toEqual(expected) // those that went came back
    await closeModel(model)
  })

  it("'sequential' holds copies of a part of a network during a call", async () => {
    const mapped = await peakOfText('sequential', false)
    const visiting = await peakOfText('sequential', true)
    const copies = visiting.peak - mapped.peak
    expect(copies).toBeGreaterThan(0)
    expect(copies).toBeLessThan(0.9 * visiting.weights)
  })

  it("'model' has copied all of a network before it runs", async () => {
    const mapped = await peakOfText('model', false)
    expect((await peakOfText('model', true)).peak).toBe(mapped.peak)
  })

  it('meets weights that were bound anew', async () => {
    const files = await openModel(small.folder)
    const { vqgan } = await planLoad(files, [small.graphs])
    const [weight] = vqgan.weights.filter(({ name }) => name.endsWith('.bias'))
    if (weight === undefined) throw new Error('no bias')
    const copied = { ...weight, mix: { other: weight, weight: 0 } } // the same numbers, in private memory
    const model = await load('model', true)
    const before = await run(model)
    const [, , , , graph] = graphs
    await model.device.rebind(graph as NativeGraph, [copied])
    expect(await run(model)).toEqual(before)
    await closeModel(model)
  })
})
