/** Other values for a loaded network's weights: all of them or none, also where memory runs out in between. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CLEAN, runWithAddon, testLibrary } from '../support/addon-process'
import { ensureDist } from '../support/node-process'
import { folderOf, removeFolders } from '../support/temporary-folder'

beforeAll(() => {
  ensureDist()
})
afterAll(removeFolders)

const SCARCE = 6_000_000 // bytes
const ONE_THOUSANDTH = 0x1419 // in float16

/** A file of small numbers in float16, long enough for any change below. */
function numbersFile(): string {
  const file = join(folderOf({}), 'numbers')
  writeFileSync(file, new Uint16Array(4_000_000).fill(ONE_THOUSANDTH))
  return file
}

/** Two weights of the prior that `condition` reads, changed by products of rank `rank`. */
const setUp = () => `
  const device = addon.openDevice({ device: 'cpu', threads: 2 })
  await device.load(network('vqgan', { recorder: ${JSON.stringify(testLibrary('scarcity'))} }))
  await device.load(network('prior', { recorder: ${JSON.stringify(testLibrary('scarcity'))} }))
  const graph = await device.load(network('prior'))
  const bound = ['cond_mapper.0.weight', 'cond_mapper.2.weight'].map((name) => plan.prior.weights.find((one) => one.name === name))
  const stored = (shape) => ({ file: ${JSON.stringify(numbersFile())}, dtype: 'F16', shape, offset: 0, bytes: 2 * shape[0] * shape[1] })
  const changed = (weight, rank, scale) => ({
    ...weight, deltas: [{ up: stored([weight.shape[0], rank]), down: stored([rank, weight.shape[1]]), scale }],
  })
  // Read in float16 it fits, in float32 it does not.
  const large = (weight) => Math.floor(${SCARCE} / 3 / Math.max(...weight.shape))
  const text = { dtype: 'float32', shape: [1, 5, bound[0].shape[1]], data: new Float32Array(5 * bound[0].shape[1]).fill(0.5) }
  const answer = async () => [...(await device.read((await device.run(graph, 'condition', [text]))[0])).data].join()
  const scarce = async (work) => {
    process.env.WUERSTCHEN_TEST_SCARCE_BYTES = '${SCARCE}'
    const code = (await codeOf(work())).slice(0, 13)
    process.env.WUERSTCHEN_TEST_SCARCE_BYTES = '0'
    return code
  }
  const [first, second] = bound
`
const run = (body: string) => runWithAddon(setUp() + body, { WUERSTCHEN_TEST_SCARCE_BYTES: '0' })

describe('NativeDevice.rebind() without memory for the second of two weights', () => {
  it.each([
    ['the stored values', ''],
    [
      'the values of another change',
      'await device.rebind(graph, [changed(first, 2, 50), changed(second, 2, 50)])',
    ],
  ])('leaves %s', (_what, before) => {
    const body = `
      const plain = await answer()
      ${before}
      const wanted = await answer()
      const next = [changed(first, 3, 90), changed(second, large(second), 0.01)]
      const code = await scarce(() => device.rebind(graph, next))
      const after = await answer()
      await device.rebind(graph, next)
      console.log(code, after === wanted, (await answer()) !== wanted, ${before === '' ? 'true' : 'plain !== wanted'})`
    expect(run(body)).toEqual({ ...CLEAN, stdout: 'OUT_OF_MEMORY true true true' })
  })

  it('refuses to run with half a change where even the former values cannot be computed again', () => {
    const body = `
      const before = [changed(first, large(first), 0.01), changed(second, large(second), 0.01)]
      await device.rebind(graph, before)
      const wanted = await answer()
      const code = await scarce(() => device.rebind(graph, [changed(first, 3, 90), changed(second, large(second), 0.02)]))
      const refusal = (await codeOf(answer())).slice(0, 14)
      await device.rebind(graph, before)
      console.log(code, refusal, (await answer()) === wanted)`
    expect(run(body)).toEqual({ ...CLEAN, stdout: 'OUT_OF_MEMORY WEIGHTS_FAILED true' })
  })

  it('refuses to run until it is bound, where the former values are wrong', () => {
    const body = `
      const plain = await answer()
      await device.rebind(graph, [changed(first, 2, 50), changed(second, 2, 50)])
      const next = [changed(first, 3, 90), changed(second, large(second), 0.01)]
      const code = await scarce(() => device.rebind(graph, next, { orRefuse: true }))
      const refusal = (await codeOf(answer())).slice(0, 14)
      await device.rebind(graph, bound)
      console.log(code, refusal, (await answer()) === plain)`
    expect(run(body)).toEqual({ ...CLEAN, stdout: 'OUT_OF_MEMORY WEIGHTS_FAILED true' })
  })

  it('uses memory of its own where the files of the former values are gone', () => {
    const body = `
      const { copyFileSync, rmSync } = require('node:fs')
      const file = stored([1, 1]).file
      copyFileSync(file, file + '.copy')
      const elsewhere = (binding) => ({ ...binding, deltas: binding.deltas.map((one) => ({ ...one, up: { ...one.up, file: file + '.copy' } })) })
      await device.rebind(graph, [elsewhere(changed(first, 2, 50)), elsewhere(changed(second, 2, 50))])
      rmSync(file + '.copy')
      const wanted = await answer()
      const code = await scarce(() => device.rebind(graph, [changed(first, 3, 90), changed(second, large(second), 0.01)]))
      console.log(code, (await answer()) === wanted)`
    expect(run(body)).toEqual({ ...CLEAN, stdout: 'OUT_OF_MEMORY true' })
  })
})
