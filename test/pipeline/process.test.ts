/** How a process ends that has a pipeline: each case in a process of its own. */
import { QUICK, type SmallModel, smallModel } from '../support/models'
import { ensureDist, runScript } from '../support/node-process'

let small: SmallModel
beforeAll(() => {
  ensureDist()
  small = smallModel()
})

function run(body: string) {
  const { status, signal, stdout, stderr } = runScript(`
    const pipeline = await wuerstchen.WuerstchenPipeline.fromPretrained(${JSON.stringify(small.folder)}, ${JSON.stringify(small.options)})
    const quick = ${JSON.stringify(QUICK)}
    const endless = { ...quick, priorNumInferenceSteps: 1000 }
    ${body}`)
  return { status, signal, stdout: stdout.trim(), stderr: stderr.trim() }
}

const CLEAN = { status: 0, signal: null, stderr: '' }

describe('a process', () => {
  it('ends by itself after its pipeline was disposed', () => {
    expect(run("await pipeline.generate('a', quick); await pipeline.dispose(); console.log('done')")).toEqual(
      {
        ...CLEAN,
        stdout: 'done',
      },
    )
  })

  it('ends by itself with a pipeline that has nothing to do', () => {
    expect(run("await pipeline.generate('a', quick); console.log('done')")).toEqual({
      ...CLEAN,
      stdout: 'done',
    })
  })

  it('stays for work that is unfinished', () => {
    expect(run("pipeline.generate('a', quick).then(({ images }) => console.log(images.length))")).toEqual({
      ...CLEAN,
      stdout: '1',
    })
  })

  it('can be ended in the middle of a step', () => {
    const body =
      "pipeline.generate('a', { ...endless, onProgress: () => process.exit(7) }); await new Promise(() => {})"
    expect(run(body)).toEqual({ ...CLEAN, status: 7, stdout: '' })
  })

  it('survives a pipeline that is disposed while it works', () => {
    const body = `
      const running = pipeline.generate('a', { ...endless, onProgress: () => void pipeline.dispose() })
      console.log(await running.catch((error) => error.code))`
    expect(run(body)).toEqual({ ...CLEAN, stdout: 'ERR_WUERSTCHEN_DISPOSED' })
  })

  it('can end a worker in the middle of a step', () => {
    const body = `
      const { Worker } = require('node:worker_threads')
      const code = \`
        const { parentPort } = require('node:worker_threads')
        const { WuerstchenPipeline } = require('./dist/index.js')
        ;(async () => {
          const pipeline = await WuerstchenPipeline.fromPretrained(${JSON.stringify(small.folder)}, ${JSON.stringify(small.options)})
          pipeline.generate('a', { priorNumInferenceSteps: 1000, onProgress: () => parentPort.postMessage(1) })
        })()\`
      const worker = new Worker(code, { eval: true })
      await new Promise((resolve) => worker.once('message', resolve))
      await worker.terminate()
      const { images } = await pipeline.generate('a', quick)
      console.log(images.length)
      await pipeline.dispose()`
    expect(run(body)).toEqual({ ...CLEAN, stdout: '1' })
  })
})
