// Workers with a pipeline each, for work that should not share a process's fate: node examples/worker-pool.mjs
// Weights are mapped from files, so workers share them. One pipeline per device is faster: it fills batches.
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { WuerstchenPipeline } from 'wuerstchen'

const WORKERS = Math.max(1, Math.min(2, availableParallelism()))

if (isMainThread) {
  const prompts = ['a red circle', 'a blue house', 'a green tree', 'a black cat']
  const waiting = prompts.entries()
  const workers = Array.from({ length: WORKERS }, () => new Worker(fileURLToPath(import.meta.url)))
  await Promise.all(workers.map((worker) => serve(worker, waiting)))
} else {
  const pipeline = await WuerstchenPipeline.fromPretrained(undefined, { threads: 1 })
  parentPort.postMessage('ready')
  parentPort.on('message', async ({ prompt, file }) => {
    const { images } = await pipeline.generate(prompt, { seed: 7 })
    await images[0].toFile(file)
    parentPort.postMessage(file)
  })
}

/** Gives a worker one task after the other until none is left. */
function serve(worker, waiting) {
  return new Promise((resolve, reject) => {
    worker.once('error', reject)
    worker.on('message', (done) => {
      if (done !== 'ready') console.log(done)
      const { value, done: finished } = waiting.next()
      if (finished) return resolve(worker.terminate())
      worker.postMessage({ prompt: value[1], file: `${value[0]}.png` })
    })
  })
}
