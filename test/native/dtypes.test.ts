/** Weights that are held narrow and computed with in float32, through the real addon. */
import { join } from 'node:path'
import { openDevice } from '../../lib/loading/load'
import { planLoad } from '../../lib/loading/plan'
import { openModel } from '../../lib/model/layout'
import { readHeader } from '../../lib/model/safetensors'
import { bindWeights } from '../../lib/model/weights'
import { loadRuntime } from '../../lib/native/binding'
import type { Dtype, HostTensor, NativeDevice, NativeGraph } from '../../lib/native/types'
import { volume } from '../../lib/tensors/shape'
import { smallModel } from '../support/models'
import { folderOf, removeFolders } from '../support/temporary-folder'

afterAll(removeFolders)

/** Read where they lie: then narrow weights and wide ones go the same way. */
const kernels = { kind: loadRuntime({}).cpu.kind, pack: 'none' as const, without: [] }

const NARROW = ['bfloat16', 'float16'] as const

const ramp = (shape: readonly number[]): HostTensor => {
  const data = new Float32Array(volume(shape))
  return { dtype: 'float32', shape, data: data.map((_, index) => Math.sin(index)) }
}

const ids: HostTensor = { dtype: 'int64', shape: [1, 77], data: new Int32Array(77).fill(3) }
const mask: HostTensor = { dtype: 'int64', shape: [1, 77], data: new Int32Array(77).fill(1) }

/** What each network is asked here. */
const CALLS = {
  priorTextEncoder: ['encode', [ids, mask]],
  prior: ['modulate', [ramp([3])]],
  decoder: ['modulate', [ramp([3])]],
  vqgan: ['decode', [ramp([1, 4, 8, 8])]],
} as const

async function answer(device: NativeDevice, graph: NativeGraph, name: keyof typeof CALLS) {
  const [method, inputs] = CALLS[name]
  const [first] = await device.run(graph, method, inputs)
  if (first === undefined) throw new Error(`no answer of ${method}`)
  return (await device.read(first)).data
}

describe.each(NARROW)('weights held in %s and computed with in float32', (stored: Dtype) => {
  it.each(Object.keys(CALLS) as (keyof typeof CALLS)[])('are half as large: %s', async (name) => {
    const small = smallModel()
    const plan = await planLoad(await openModel(small.folder), [small.graphs])
    const { device } = openDevice(loadRuntime({}), 'cpu', 1)
    const { graph, weights } = plan[name]
    const narrow = await device.load({ graph: graph.path, weights, stored, dtype: 'float32', kernels })
    const file = join(folderOf({}), 'narrow.safetensors')
    await device.save(narrow, file)
    const rounded = bindWeights(graph.entry, [await readHeader(file)])
    const wide = await device.load({
      graph: graph.path,
      weights: rounded,
      stored: 'float32',
      dtype: 'float32',
      kernels,
    })
    expect(narrow.memory.weights).toBeLessThan(0.51 * wide.memory.weights)
    // Not close: the same numbers, because only the storage differs.
    expect(await answer(device, narrow, name)).toEqual(await answer(device, wide, name))
    await device.close()
  })
})
