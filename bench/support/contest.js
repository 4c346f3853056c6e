'use strict'
// Contenders on one task, interleaved: each round asks every one of them once, and only one runs at a time.

const fs = require('node:fs')
const path = require('node:path')
const { apart, median } = require('./statistics')

/** Reads what a contender wrote for a request with `out`. */
async function outputOf(worker) {
  const out = path.join(worker.folder, 'output')
  await worker.ask({ out })
  return new Float32Array(Uint8Array.from(fs.readFileSync(out)).buffer)
}

/** Starts one after the other, warms each up and compares it with the first. Who fails is left out, with the reason. */
async function line(starts, { tolerance, log }) {
  const ready = []
  let wanted
  for (const [name, start] of Object.entries(starts)) {
    const worker = start()
    const contender = { name, worker, times: [], error: null, failure: null }
    ready.push(contender)
    try {
      await worker.ready()
      const output = await outputOf(worker)
      wanted ??= output
      contender.error = apart(output, wanted)
      if (!(contender.error <= tolerance))
        throw new Error(
          `Expected to agree with ${ready[0].name} within ${tolerance} but is ${contender.error.toExponential(1)} apart`,
        )
      worker.pause()
      log(`${name}: ready after ${((performance.now() - worker.started) / 1000).toFixed(0)} s`)
    } catch (error) {
      contender.failure = error.message
      log(`${name}: FAILED: ${error.message}`)
      await worker.close()
    }
  }
  return ready
}

/** Times of every contender in `rounds` rounds, in milliseconds; `between` runs after each round, with all of them stopped. */
async function contest(starts, { rounds, tolerance, log = () => {}, between = async () => {} }) {
  const contenders = await line(starts, { tolerance, log })
  const running = contenders.filter(({ failure }) => failure === null)
  for (let round = 0; round < rounds; round++) {
    for (const { worker, times } of running) {
      worker.resume()
      times.push((await worker.ask({})).milliseconds)
      worker.pause()
    }
    await between()
    log(
      `round ${round + 1}: ${running.map(({ name, times }) => `${name} ${times.at(-1).toFixed(0)}`).join(', ')}`,
    )
  }
  for (const { worker } of running) await worker.close()
  return contenders.map(({ name, times, error, failure }) => ({
    name,
    times,
    median: failure === null ? median(times) : null,
    error,
    failure,
  }))
}

module.exports = { contest }
