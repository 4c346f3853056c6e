/** A worker that is terminated ends soon, whatever its device is doing: within half of what that would have taken. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../bench/support/reference'
import { CLEAN, runWithAddon } from '../support/addon-process'
import { ensureDist } from '../support/node-process'
import { folderOf, removeFolders } from '../support/temporary-folder'

beforeAll(() => {
  ensureDist()
})
afterAll(removeFolders)

/** Does `work` to its end, and again in a worker that is terminated a tenth of the way. */
function shareOfTime(work: string): number {
  const script = (body: string) => `
    const { join } = require('node:path')
    const { loadRuntime } = require(join(dist, 'native', 'binding.js'))
    const { planLoad } = require(join(dist, 'loading', 'plan.js'))
    const { openModel } = require(join(dist, 'model', 'layout.js'))
    ;(async () => {
      const { addon, cpu } = loadRuntime()
      const plan = await planLoad(await openModel(join(dist, '..', 'models', 'shapes')), [join(dist, '..', 'graphs')])
      const device = addon.openDevice({ device: 'cpu', threads: 1 })
      const options = (name, more) => ({
        graph: plan[name].graph.path, weights: plan[name].weights, stored: 'float32', dtype: 'float32', kernels: null, ...more,
      })
      ${body}
    })()`
  const dist = JSON.stringify(join(ROOT, 'dist'))
  const code = script(`const start = () => parentPort.postMessage(1); ${work}; parentPort.postMessage(2)`)
  const body = `
    const { Worker } = require('node:worker_threads')
    const code = "const { parentPort } = require('node:worker_threads'); const dist = " + ${JSON.stringify(dist)} + ";" + ${JSON.stringify(code)}
    const message = (worker) => new Promise((resolve, reject) => { worker.once('message', resolve); worker.once('error', reject) })
    const whole = new Worker(code, { eval: true })
    await message(whole)
    const started = performance.now()
    await message(whole)
    const seconds = performance.now() - started
    await whole.terminate()
    const cut = new Worker(code, { eval: true })
    await message(cut)
    await new Promise((resolve) => setTimeout(resolve, seconds / 10))
    const told = performance.now()
    await cut.terminate()
    console.log(JSON.stringify({ seconds, share: (performance.now() - told) / seconds }))`
  const { stdout, ...ended } = runWithAddon(body)
  expect(ended).toEqual({ status: CLEAN.status, signal: null, stderr: '' })
  const { seconds, share } = JSON.parse(stdout) as { seconds: number; share: number }
  expect(seconds).toBeGreaterThan(300) // milliseconds: else nothing is measured
  return share
}

const latents = (side: number) =>
  `{ dtype: 'float32', shape: [1, 4, ${side}, ${side}], data: new Float32Array(${4 * side * side}).fill(0.1) }`

describe('Worker#terminate()', () => {
  it.each([
    ['kernels', "cpu.kind === 'baseline' ? null : { kind: cpu.kind, pack: 'full', without: [] }"],
    ['the graph', 'null'],
  ])('ends the decoding of a picture by %s', (_how, kernels) => {
    const work = `
      const graph = await device.load(options('vqgan', { kernels: ${kernels} }))
      start()
      await device.run(graph, 'decode', [${latents(256)}])`
    expect(shareOfTime(work)).toBeLessThan(0.5)
  })

  it('ends the loading of a network', () => {
    const numbers = join(folderOf({}), 'numbers')
    writeFileSync(numbers, new Uint16Array(8_000_000).fill(0x1419)) // float16
    // Products of a rank that no LoRA has: each weight takes its time.
    const work = `
      const part = (shape) => ({ file: ${JSON.stringify(numbers)}, dtype: 'F16', shape, offset: 0, bytes: 2 * shape[0] * shape[1] })
      const weights = plan.prior.weights.map((weight) => {
        const [out, width] = weight.shape
        if (weight.shape.length !== 2) return weight
        const rank = Math.floor(4_000_000 / Math.max(out, width))
        return { ...weight, deltas: [{ up: part([out, rank]), down: part([rank, width]), scale: 1e-3 }] }
      })
      start()
      await device.load(options('prior', { weights }))`
    expect(shareOfTime(work)).toBeLessThan(0.5)
  })
})
