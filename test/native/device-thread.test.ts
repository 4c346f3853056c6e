/** What goes wrong on a device's thread, or on the way to it, rejects a promise: it never ends the process. */
import { existsSync } from 'node:fs'
import { CLEAN, runWithAddon, testLibrary } from '../support/addon-process'
import { ensureDist } from '../support/node-process'

beforeAll(() => {
  ensureDist()
  for (const name of ['broken_device', 'scarcity', 'operators'])
    expect(existsSync(testLibrary(name))).toBe(true)
})

/** Opens a library of tests, whatever it says as a recorder. */
const opening = (name: string) => `
  const first = addon.openDevice({ device: 'cpu', threads: 1 })
  const opener = await first.load(network('prior', { recorder: ${JSON.stringify(testLibrary(name))} }))`

describe("A device's thread", () => {
  it('rejects every call of a device that cannot be used', () => {
    const body = `
      ${opening('broken_device')}
      const device = addon.openDevice({ device: 'mps', threads: 1 })
      const tensor = { dtype: 'float32', shape: [1], data: Float32Array.of(1) }
      console.log(await codeOf(device.write(tensor)))
      console.log(await codeOf(device.load(network('prior'))))
      await device.close()
      console.log((await first.read(await first.write(tensor))).data[0])`
    const broken = 'INTERNAL: The device is broken'
    expect(runWithAddon(body)).toEqual({ ...CLEAN, stdout: `${broken}\n${broken}\n1` })
  })

  it('goes on after memory was missing for a tensor', () => {
    const body = `
      ${opening('scarcity')}
      const tensor = { dtype: 'float32', shape: [1e6], data: new Float32Array(1e6) }
      process.env.WUERSTCHEN_TEST_SCARCE_BYTES = '1000000'
      console.log((await codeOf(first.write(tensor))).slice(0, 13))
      process.env.WUERSTCHEN_TEST_SCARCE_BYTES = '0'
      console.log((await first.write(tensor)).shape[0])`
    const environment = { WUERSTCHEN_TEST_SCARCE_BYTES: '0' }
    expect(runWithAddon(body, environment)).toEqual({ ...CLEAN, stdout: 'OUT_OF_MEMORY\n1000000' })
  })
})

describe('A handle', () => {
  it('cannot be constructed by a script, not even after a call that failed to make one', () => {
    const body = `
      const device = addon.openDevice({ device: 'cpu', threads: 1 })
      const make = (rows) => device.noise({ seed: 1, rows, dtype: 'float32' })
      const NativeNoise = make(1).constructor
      const thrown = (work) => { try { work() } catch { return true } return false }
      const failed = thrown(() => make(-1))
      console.log(failed, thrown(() => new NativeNoise()), thrown(() => NativeNoise()), thrown(() => make(1)))`
    expect(runWithAddon(body)).toEqual({ ...CLEAN, stdout: 'true true true false' })
  })
})

describe('Two copies of the addon in one process', () => {
  it('give libtorch operators of different names', () => {
    const body = `
      const { copyFileSync, mkdtempSync, rmSync } = require('node:fs')
      const { join } = require('node:path')
      const folder = mkdtempSync(join(require('node:os').tmpdir(), 'wuerstchen-test-'))
      const copy = join(folder, 'wuerstchen.node')
      copyFileSync(runtime.engine, copy)
      const second = require(copy)
      const kernels = runtime.cpu.kind === 'baseline' ? null : { kind: runtime.cpu.kind, pack: 'full', without: [] }
      const found = []
      for (const one of [addon, second]) {
        const device = one.openDevice({ device: 'cpu', threads: 1 })
        const graph = await device.load(network('prior', { recorder: ${JSON.stringify(testLibrary('operators'))} }))
        found.push(graph.recordings().refused.trim().split(' '))
        const run = await device.load(network('vqgan', { kernels }))
        const latents = { dtype: 'float32', shape: [1, 4, 8, 8], data: new Float32Array(256) }
        await device.run(run, 'decode', [latents])
      }
      rmSync(folder, { recursive: true })
      const all = found[1]
      const kinds = all.map((one) => one.slice(0, one.lastIndexOf('_'))).sort()
      console.log(JSON.stringify([kinds.join(' '), new Set(all).size === all.length]))`
    const kinds = ['condition', 'map_block', 'stage_block', 'text_layer', 'use'].flatMap((kind) => [
      kind,
      kind,
    ])
    expect(runWithAddon(body)).toEqual({ ...CLEAN, stdout: JSON.stringify([kinds.join(' '), true]) })
  })
})

const preload = process.platform === 'linux'
const itWithPreload = preload ? it : it.skip
describe('OpenMP', () => {
  itWithPreload.each([
    [{}, 'kmp_set_blocktime 1'],
    [{ KMP_BLOCKTIME: '50' }, ''],
    [{ OMP_WAIT_POLICY: 'active' }, ''],
  ])(
    `of LLVM is asked to let waiting threads sleep, but where the user chose: %j${preload ? '' : ' (SKIPPED: it takes LD_PRELOAD)'}`,
    (chosen, stderr) => {
      const body = `
      const device = addon.openDevice({ device: 'cpu', threads: 1 })
      await device.write({ dtype: 'float32', shape: [1], data: Float32Array.of(1) })
      await device.close()`
      const environment = {
        KMP_BLOCKTIME: undefined,
        OMP_WAIT_POLICY: undefined,
        ...chosen,
        LD_PRELOAD: [process.env.LD_PRELOAD, testLibrary('blocktime')].filter(Boolean).join(':'), // behind a sanitizer's
      }
      expect(runWithAddon(body, environment)).toMatchObject({ status: 0, stderr })
    },
  )
})
