/** Converted weights that are kept, through the real addon. */
import { randomUUID } from 'node:crypto'
import { existsSync, readdirSync, truncateSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { loadModel, openDevice } from '../../lib/loading/load'
import { planLoad } from '../../lib/loading/plan'
import { weightsCacheOf } from '../../lib/loading/weights-cache'
import { closeModel, type Model } from '../../lib/memory/loaded-model'
import { openModel } from '../../lib/model/layout'
import { loadRuntime } from '../../lib/native/binding'
import type { Dtype, NativeDevice, NativeGraph } from '../../lib/native/types'
import { smallModel } from '../support/models'
import { folderOf, removeFolders, writeFiles } from '../support/temporary-folder'

/** The small model has a previewer, too. */
const NETWORKS = 6
const TEXT = { ids: new Int32Array(77).fill(3), mask: new Int32Array(77).fill(1), truncated: null }

afterAll(removeFolders)

interface Loaded {
  readonly model: Model
  readonly graphs: readonly NativeGraph[]
  /** Bytes that were private memory when a network was loaded. */
  readonly copied: () => number
}

/** The small model with everything that is converted kept, however small. */
async function load(folder: string, { dtype = 'bfloat16' as Dtype } = {}): Promise<Loaded> {
  const small = smallModel()
  const files = await openModel(small.folder)
  const plan = await planLoad(files, [small.graphs])
  const { device } = openDevice(loadRuntime({}), 'cpu', 1)
  const graphs: NativeGraph[] = []
  let copied = 0
  const watched = new Proxy(device, {
    get: (target, name: keyof NativeDevice) => {
      if (name !== 'load') return target[name].bind(target as never)
      return async (options: Parameters<NativeDevice['load']>[0]) => {
        const graph = await target.load(options)
        graphs.push(graph)
        copied += graph.memory.copied
        return graph
      }
    },
  })
  const { model } = await loadModel(watched, files, plan, {
    stored: dtype,
    dtype,
    rounding: 'float32',
    kernels: null,
    offload: 'none',
    visits: false,
    recorder: null,
    maxMemory: null,
    threads: 2,
    cache: { folder, leastBytes: 0 },
  })
  return { model, graphs, copied: () => copied }
}

async function encoded({ model }: Loaded): Promise<Float32Array> {
  const { data } = await model.device.read(await model.priorTextEncoder.encode(TEXT))
  return data
}

/** Bytes that are private memory now. */
const held = ({ graphs }: Loaded) => graphs.reduce((sum, { memory }) => sum + memory.copied, 0)

/** What each start copied and how much there is; both compute the same. The first is over when `between` runs. */
async function twice(folder: string, between: () => void, options = {}) {
  const start = async () => {
    const loaded = await load(folder, options)
    const data = await encoded(loaded)
    const weights = loaded.graphs.reduce((sum, { memory }) => sum + memory.weights, 0)
    const sizes = { copied: loaded.copied(), held: held(loaded), weights }
    await closeModel(loaded.model)
    return { data, ...sizes }
  }
  const first = await start()
  between()
  const second = await start()
  expect(second.data).toEqual(first.data)
  return [first, second] as const
}

describe('converted weights', () => {
  it('are computed at the first start and mapped at the second', async () => {
    const folder = join(folderOf({}), 'weights')
    const [first, second] = await twice(folder, () => expect(readdirSync(folder)).toHaveLength(NETWORKS))
    expect(first.copied).toBeGreaterThan(100_000)
    expect(first.held).toBe(0) // what was written is mapped at once
    expect(second.copied).toBe(0)
    expect(second.weights).toBe(first.weights)
  })

  it('are none where nothing is converted', async () => {
    const folder = join(folderOf({}), 'weights')
    const [plain] = await twice(folder, () => expect(existsSync(folder)).toBe(false), { dtype: 'float32' })
    expect(plain.copied).toBe(0)
  })

  it('are computed again when the kept file is damaged or the checkpoint changed', async () => {
    const folder = join(folderOf({}), 'weights')
    const damage = () => {
      for (const name of readdirSync(folder)) truncateSync(join(folder, name), 1000)
    }
    const [, second] = await twice(folder, damage)
    expect(second.copied).toBeGreaterThan(100_000)
    const touch = () => {
      const { prior } = smallModel()
      utimesSync(
        join(prior, 'prior', 'diffusion_pytorch_model.safetensors'),
        new Date(),
        new Date(Date.now() + 5000),
      )
    }
    await twice(folder, touch)
    expect(readdirSync(folder)).toHaveLength(NETWORKS + 1)
  })

  it('leave no halves of killed processes behind', async () => {
    const folder = join(folderOf({}), 'weights')
    const old = new Date(Date.now() - 2 * 3600 * 1000)
    const halves = [`${'a'.repeat(64)}.safetensors.7.partial`, `.wuerstchen-${randomUUID()}.tmp`]
    writeFiles(folder, Object.fromEntries(halves.map((name) => [name, 'half'])))
    for (const name of halves) utimesSync(join(folder, name), old, old)
    await closeModel((await load(folder)).model)
    expect(readdirSync(folder)).toHaveLength(NETWORKS)
  })

  it('need no folder that can be written to', async () => {
    const locked = folderOf({ file: 'no folder' })
    const [, second] = await twice(join(locked, 'file', 'weights'), () => undefined)
    expect(second.copied).toBeGreaterThan(100_000)
    expect(existsSync(join(locked, 'file', 'weights'))).toBe(false)
  })

  it('of small networks are not kept', () => {
    expect(weightsCacheOf(undefined, { env: { WUERSTCHEN_CACHE: '/c' } })).toEqual({
      folder: '/c/weights',
      leastBytes: 2 ** 28,
    })
    expect(weightsCacheOf(undefined, { env: { XDG_CACHE_HOME: '/x' } })?.folder).toBe('/x/wuerstchen/weights')
    expect(weightsCacheOf('/mine')?.folder).toBe('/mine')
    expect(weightsCacheOf(false)).toBeNull()
  })
})
