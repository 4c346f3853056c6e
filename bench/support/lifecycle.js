'use strict'
// How a process may end that has a pipeline at work, and what must come of it: neither a crash nor a hang.

const { spawnSync } = require('node:child_process')
const path = require('node:path')
const { ROOT } = require('./reference')

const INDEX = path.join(ROOT, 'dist', 'index.js')

/** Before each body: a pipeline of the bundled model, a quick request and one that takes until it is stopped. */
const OPENING = `
const { WuerstchenPipeline } = require(${JSON.stringify(INDEX)})
const open = () => WuerstchenPipeline.fromPretrained(undefined, { device: 'cpu', threads: 1 })
const quick = { width: 128, height: 128, priorNumInferenceSteps: 2, numInferenceSteps: 1, seed: 1 }
const endless = { ...quick, priorNumInferenceSteps: 1000 }
const code = (error) => error.code
`

/** A worker that is in the middle of a step when it says so. */
const WORKER = (body = '') =>
  JSON.stringify(`${OPENING}
const { parentPort } = require('node:worker_threads')
;(async () => {
  const pipeline = await open()
  let told = false
  pipeline.generate('a', { ...endless, onProgress: () => { if (!told) parentPort.postMessage(1); told = true; ${body} } })
})()`)

const CLEAN = { status: 0, signal: null }

/** `name`: what happens; `body`: of an async function; then how the process ends, and what it prints. */
const CASES = [
  {
    name: 'a pipeline without work lets the process end',
    body: "await open().then((pipeline) => pipeline.generate('a', quick)); console.log('done')",
    ends: { ...CLEAN, stdout: 'done' },
  },
  {
    name: 'dispose from a callback',
    body: `const pipeline = await open()
      console.log(await pipeline.generate('a', { ...endless, onProgress: () => void pipeline.dispose() }).catch(code))`,
    ends: { ...CLEAN, stdout: 'ERR_WUERSTCHEN_DISPOSED' },
  },
  {
    name: 'dispose twice at once, and again later',
    body: `const pipeline = await open()
      const running = pipeline.generate('a', endless).catch(code)
      await Promise.all([pipeline.dispose(), pipeline.dispose()])
      await pipeline.dispose()
      console.log(await running, await pipeline.generate('b', quick).catch(code))`,
    ends: { ...CLEAN, stdout: 'ERR_WUERSTCHEN_DISPOSED ERR_WUERSTCHEN_DISPOSED' },
  },
  {
    name: 'dispose that drains, from a callback',
    body: `const pipeline = await open()
      let draining
      const { images } = await pipeline.generate('a', { ...quick, onProgress: () => { draining ??= pipeline.dispose({ drain: true }) } })
      await draining
      console.log(images.length)`,
    ends: { ...CLEAN, stdout: '1' },
  },
  {
    name: 'dispose that drains, hurried by one that does not',
    body: `const pipeline = await open()
      const running = pipeline.generate('a', { ...endless, onProgress: () => void pipeline.dispose() }).catch(code)
      await pipeline.dispose({ drain: true })
      console.log(await running)`,
    ends: { ...CLEAN, stdout: 'ERR_WUERSTCHEN_DISPOSED' },
  },
  {
    name: 'a stream that is left in the middle',
    body: `const pipeline = await open()
      for await (const { type } of pipeline.stream('a', endless)) if (type === 'step') break
      await pipeline.dispose()
      console.log('left')`,
    ends: { ...CLEAN, stdout: 'left' },
  },
  {
    name: 'a callback that throws',
    body: `const pipeline = await open()
      const bad = pipeline.generate('a', { ...endless, onProgress: () => { throw new Error('mine') } }).catch(({ message }) => message)
      const [reason, { images }] = await Promise.all([bad, pipeline.generate('b', quick)])
      console.log(reason, images.length)`,
    ends: { ...CLEAN, stdout: 'mine 1' },
  },
  {
    name: 'process.exit() in a step',
    body: "const pipeline = await open(); pipeline.generate('a', { ...endless, onProgress: () => process.exit(7) })",
    ends: { status: 7, signal: null, stdout: '' },
  },
  {
    name: 'SIGTERM in a step',
    body: "const pipeline = await open(); pipeline.generate('a', { ...endless, onProgress: () => process.kill(process.pid, 'SIGTERM') })",
    ends: { status: null, signal: 'SIGTERM', stdout: '' },
  },
  {
    name: 'SIGTERM that is heard, and drains',
    body: `const pipeline = await open()
      process.once('SIGTERM', async () => { await pipeline.dispose({ drain: true }); console.log('drained') })
      let sent = false
      const onProgress = () => { if (!sent) process.kill(process.pid, 'SIGTERM'); sent = true }
      console.log((await pipeline.generate('a', { ...quick, priorNumInferenceSteps: 20, onProgress })).images.length)`,
    ends: { ...CLEAN, stdout: '1\ndrained' },
  },
  {
    name: 'an uncaught exception in a step',
    body: "const pipeline = await open(); pipeline.generate('a', endless); setTimeout(() => { throw new Error('mine') }, 50)",
    ends: { status: 1, signal: null, stdout: '', stderr: 'mine' },
  },
  {
    name: 'an uncaught exception that is heard',
    body: `const pipeline = await open()
      process.once('uncaughtException', ({ message }) => console.log(message))
      setTimeout(() => { throw new Error('mine') }, 5)
      console.log((await pipeline.generate('a', { ...quick, priorNumInferenceSteps: 60 })).images.length)`,
    ends: { ...CLEAN, stdout: 'mine\n1' },
  },
  {
    name: 'an unhandled rejection in a step',
    body: "const pipeline = await open(); pipeline.generate('a', endless); Promise.reject(new Error('mine')); await null",
    ends: { status: 1, signal: null, stdout: '', stderr: 'mine' },
  },
  {
    name: 'a worker that is terminated in a step, beside a pipeline of the main thread',
    body: `const pipeline = await open()
      const worker = new (require('node:worker_threads').Worker)(${WORKER()}, { eval: true })
      await new Promise((resolve) => worker.once('message', resolve))
      const running = pipeline.generate('a', quick)
      await worker.terminate()
      console.log((await running).images.length)`,
    ends: { ...CLEAN, stdout: '1' },
  },
  {
    name: 'a worker that exits in a step',
    body: `const worker = new (require('node:worker_threads').Worker)(${WORKER('process.exit(3)')}, { eval: true })
      console.log(await new Promise((resolve) => worker.once('exit', resolve)))`,
    ends: { ...CLEAN, stdout: '3' },
  },
  {
    name: 'a worker with an uncaught exception in a step',
    body: `const worker = new (require('node:worker_threads').Worker)(${WORKER("setImmediate(() => { throw new Error('mine') })")}, { eval: true })
      console.log(await new Promise((resolve) => worker.once('error', ({ message }) => resolve(message))))`,
    ends: { ...CLEAN, stdout: 'mine' },
  },
]

/** Two seconds are enough; a busy machine may take a hundred times as long. */
const HUNG_MS = 400_000

/** What a case does with a Node: how it ended, and what was wrong with that; null if nothing. */
function run(node, { body, ends }) {
  const script = `${OPENING}\n;(async () => {${body}\n})()`
  const started = performance.now()
  const options = { cwd: ROOT, encoding: 'utf8', timeout: HUNG_MS, killSignal: 'SIGKILL' }
  const { status, signal, stdout, stderr } = spawnSync(node, ['-e', script], options)
  const { stderr: wanted, ...rest } = ends
  const found = { status, signal, stdout: stdout.trim() }
  const silent = wanted === undefined ? stderr === '' : stderr.includes(wanted)
  const right = silent && Object.keys(rest).every((key) => rest[key] === found[key])
  return {
    seconds: (performance.now() - started) / 1000,
    wrong: right ? null : { ...found, stderr: stderr.slice(-1000) },
  }
}

module.exports = { CASES, run }
