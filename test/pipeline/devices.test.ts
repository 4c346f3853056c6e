/** Several devices, several threads, several processes: each with the real thing. */
import { difference } from '../../bench/support/reference'
import { WuerstchenPipeline } from '../../lib'
import { loadRuntime } from '../../lib/native/binding'
import { coresQuota } from '../../lib/native/cores'
import { type NumaNode, numaNodes } from '../../lib/native/numa'
import type { NativeDevice, NativeGraph } from '../../lib/native/types'
import { QUICK, type SmallModel, smallModel } from '../support/models'
import { ensureDist, resultOf, runScript } from '../support/node-process'

let small: SmallModel
beforeAll(() => {
  ensureDist()
  small = smallModel()
})

const opened = (options: object) =>
  WuerstchenPipeline.fromPretrained(small.folder, { ...small.options, ...options })

describe('A list of devices', () => {
  it('works as one pipeline, and every picture is the one that a single device makes', async () => {
    const single = await opened({})
    const expected = (await single.generate('a red circle', { ...QUICK, numImagesPerPrompt: 4 })).images
    await single.dispose()
    const pipeline = await opened({ device: ['cpu', 'cpu'] })
    expect(pipeline.info.devices).toEqual(['cpu', 'cpu'])
    const { images, seeds } = await pipeline.generate('a red circle', { ...QUICK, numImagesPerPrompt: 4 })
    expect(seeds).toEqual([QUICK.seed, QUICK.seed, QUICK.seed, QUICK.seed])
    for (const [index, image] of images.entries()) {
      expect(difference(image, expected[index] as never).largest).toBe(0)
    }
    expect(pipeline.statistics).toMatchObject({ finished: 4, failed: 0 })
    expect(pipeline.memory().held).toBeGreaterThan(0)
    await pipeline.dispose()
  })

  it('streams, aborts and ends as one', async () => {
    const pipeline = await opened({ device: ['cpu', 'cpu'] })
    const seen = new Set<number>()
    for await (const event of pipeline.stream(['a', 'b', 'c'], QUICK)) {
      if (event.type === 'image') seen.add(event.index)
    }
    expect([...seen].sort()).toEqual([0, 1, 2])
    const abort = new AbortController()
    const running = pipeline.generate(['a', 'b'], {
      ...QUICK,
      priorNumInferenceSteps: 1000,
      signal: abort.signal,
      onProgress: () => abort.abort(new Error('enough')),
    })
    await expect(running).rejects.toThrow('enough')
    await Promise.all([pipeline.dispose(), pipeline.dispose({ drain: true })])
    await expect(pipeline.generate('a', QUICK)).rejects.toMatchObject({ code: 'ERR_WUERSTCHEN_DISPOSED' })
  })

  it('frees what it had loaded where a later device fails', async () => {
    const { addon } = loadRuntime({})
    const loaded: string[] = []
    const freed: string[] = []
    const real = addon.openDevice.bind(addon)
    const open = jest.spyOn(addon, 'openDevice').mockImplementation((options) => {
      const device = real(options)
      const load: NativeDevice['load'] = async (wanted) => {
        if (loaded.length === 8)
          throw Object.assign(new Error('not enough memory'), { code: 'OUT_OF_MEMORY' })
        const graph = await device.load(wanted)
        loaded.push(wanted.graph)
        return new Proxy(graph, {
          get: (target, name: keyof NativeGraph) => {
            if (name === 'dispose') freed.push(wanted.graph)
            const value = Reflect.get(target, name, target)
            return typeof value === 'function' ? value.bind(target) : value
          },
        })
      }
      return new Proxy(device, {
        get: (target, name: keyof NativeDevice) =>
          name === 'load' ? load : target[name].bind(target as never),
      })
    })
    try {
      await expect(opened({ device: ['cpu', 'cpu'] })).rejects.toMatchObject({
        code: 'ERR_WUERSTCHEN_OUT_OF_MEMORY',
      })
    } finally {
      open.mockRestore()
    }
    expect(loaded).toHaveLength(8)
    expect([...freed].sort()).toEqual([...loaded].sort())
  })

  it('rejects with what onProgress rejects with later, and never the process', async () => {
    const onProgress = () => new Promise<void>((_, reject) => setTimeout(() => reject(new Error('mine')), 1))
    await expect(opened({ onProgress: onProgress as () => void })).rejects.toThrow('mine')
  })

  it('refuses what is no device', async () => {
    await expect(opened({ device: [] })).rejects.toMatchObject({ code: 'ERR_WUERSTCHEN_INVALID_ARGUMENT' })
    await expect(opened({ device: ['cpu', 'tpu'] })).rejects.toThrow('device[1]')
    await expect(opened({ device: ['cpu', 'cuda:99'] })).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_DEVICE_UNAVAILABLE',
    })
  })

  it('refuses a NUMA node that is not there before it looks for the model', async () => {
    const model = '/nonexistent/model'
    await expect(
      WuerstchenPipeline.fromPretrained(model, { device: ['cpu', 'cpu:9999'] }),
    ).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_DEVICE_UNAVAILABLE',
      message: expect.stringMatching(/^Expected device\[1\] to be a NUMA node of this machine/),
    })
  })
})

const [node] = numaNodes()
const describeNode = node === undefined ? describe.skip : describe

describeNode(
  `A NUMA node as a device${node === undefined ? ' (SKIPPED: the system tells of none)' : ''}`,
  () => {
    it("has a thread for each of the node's cores, and makes the same picture", async () => {
      const { cores, node: number } = node as NumaNode
      const [all, one] = [await opened({}), await opened({ device: `cpu:${number}`, threads: undefined })]
      expect(one.info.devices).toEqual([`cpu:${number}`])
      expect(one.info.threads).toBe(Math.floor(Math.min(cores, coresQuota())) || 1)
      const [expected, picture] = await Promise.all(
        [all, one].map((pipeline) => pipeline.generate('a red circle', QUICK)),
      )
      expect(difference(picture?.images[0] as never, expected?.images[0] as never).largest).toBe(0)
      await Promise.all([all.dispose(), one.dispose()])
    })
  },
)

describe('Offloading', () => {
  it.each(['model', 'sequential'] as const)("'%s' makes the same picture bit for bit", async (offload) => {
    const options = { ...QUICK, numImagesPerPrompt: 2, decoderGuidanceScale: 2 }
    const [plain, saving] = [await opened({}), await opened({ offload })]
    const [{ images: expected }, { images }] = await Promise.all([
      plain.generate('a red circle', options),
      saving.generate('a red circle', options),
    ])
    expect(images).toEqual(expected)
    expect(saving.memory().held).toBeLessThan(plain.memory().held)
    await Promise.all([plain.dispose(), saving.dispose()])
  })

  it('refuses a request that does not fit into maxMemory, with the numbers, and takes a smaller one', async () => {
    const free = await opened({})
    const { predicted } = free.memory({ width: 256, height: 256 })
    await free.dispose()
    const pipeline = await opened({ maxMemory: predicted })
    const refused = pipeline.generate('a', { ...QUICK, width: 1024, height: 1024 })
    await expect(refused).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_MEMORY_LIMIT',
      details: { maxMemory: predicted, stages: expect.any(Object) },
    })
    const { images } = await pipeline.generate('a', { ...QUICK, numImagesPerPrompt: 2 })
    expect(images).toHaveLength(2)
    expect(pipeline.memory().peak).toBeLessThanOrEqual(predicted)
    await pipeline.dispose()
  })
})

/** What a worker or a child process runs: a picture, as a hash, to whoever asked. */
function maker(say: string): string {
  return `
    const { createHash } = require('node:crypto')
    const { WuerstchenPipeline } = require('./dist/index.js')
    ;(async () => {
      const pipeline = await WuerstchenPipeline.fromPretrained(${JSON.stringify(small.folder)}, ${JSON.stringify(small.options)})
      const { images } = await pipeline.generate('a red circle', ${JSON.stringify(QUICK)})
      ${say}(createHash('sha256').update(images[0].data).digest('hex'))
      await pipeline.dispose()
    })()`
}

describe('Several threads and processes', () => {
  it('load a pipeline each in worker_threads, at once, and make the same picture', () => {
    const hashes = resultOf(`
      const { Worker } = require('node:worker_threads')
      const code = ${JSON.stringify(maker("require('node:worker_threads').parentPort.postMessage"))}
      const workers = Array.from({ length: 3 }, () => new Worker(code, { eval: true }))
      const ends = workers.map((worker) => new Promise((resolve) => worker.once('exit', resolve)))
      const hashes = await Promise.all(workers.map((worker) => new Promise((resolve, reject) => {
        worker.once('message', resolve)
        worker.once('error', reject)
      })))
      await Promise.all(ends)
      console.log(JSON.stringify(hashes))`) as string[]
    expect(hashes).toHaveLength(3)
    expect(new Set(hashes).size).toBe(1)
    expect(hashes[0]).toMatch(/^[0-9a-f]{64}$/)
  })

  it('load a pipeline each in processes of a cluster, share the mapped weights, and end by themselves', () => {
    const { status, signal, stdout, stderr } = runScript(`
      const cluster = require('node:cluster')
      const { writeFileSync } = require('node:fs')
      const { join } = require('node:path')
      const folder = require('node:fs').mkdtempSync(join(require('node:os').tmpdir(), 'wuerstchen-cluster-'))
      const exec = join(folder, 'worker.js')
      writeFileSync(exec, ${JSON.stringify(maker('process.send'))}.replace('./dist/index.js', process.cwd() + '/dist/index.js') + '.then(() => process.disconnect())')
      cluster.setupPrimary({ exec, execArgv: [] })
      const hashes = []
      const ends = []
      await Promise.all([1, 2].map(() => new Promise((resolve) => {
        const worker = cluster.fork()
        worker.on('message', (hash) => hashes.push(hash))
        worker.on('exit', (code, signal) => { ends.push(signal ?? code); resolve() })
      })))
      require('node:fs').rmSync(folder, { recursive: true })
      console.log(JSON.stringify({ same: new Set(hashes).size, count: hashes.length, ends }))`)
    expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' })
    expect(JSON.parse(stdout)).toEqual({ same: 1, count: 2, ends: [0, 0] })
  })
})
