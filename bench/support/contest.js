'use strict'
// Contenders on one task, interleaved: each round asks every one of them once, and only one runs at a time.

const fs = require('node:fs')
const path = require('node:path')
const { undisturbed } = require('./load')
const { apart, median } = require('./statistics')

/** How most contenders are asked: for what a step gives, and for the time it takes. */
const STEP = {
  async output(worker) {
    const out = path.join(worker.folder, 'output')
    await worker.ask({ out })
    return new Float32Array(Uint8Array.from(fs.readFileSync(out)).buffer)
  },
  time: async (worker) => (await worker.ask({})).milliseconds,
}

/** Starts one after the other, warms each up and compares it with the first. Who fails is left out, with the reason. */
async function line(starts, { tolerance, log, task }) {
  const ready = []
  let wanted
  for (const [name, start] of Object.entries(starts)) {
    const worker = start()
    const contender = { name, worker, times: [], others: [], error: null, failure: null }
    ready.push(contender)
    try {
      await worker.ready()
      const output = await task.output(worker)
      wanted ??= output
      contender.error = apart(output, wanted)
      const allowed = tolerance(name)
      if (!(contender.error <= allowed))
        throw new Error(
          `Expected to agree with ${ready[0].name} within ${allowed} but is ${contender.error.toExponential(1)} apart`,
        )
      worker.pause()
      log(`${name}: ready after ${((performance.now() - worker.started) / 1000).toFixed(0)} s`)
    } catch (error) {
      if (ready.length === 1) throw error // the first is what all others are compared with
      contender.failure = error.message
      log(`${name}: FAILED: ${error.message}`)
      await worker.close()
    }
  }
  return ready
}

/**
 * Times of every contender in `rounds` rounds, in milliseconds, and the largest share of the machine that others took
 * meanwhile. `tolerance(name)`: how far apart from the first one may be. `between` runs after each round, with all of them stopped.
 */
async function contest(starts, { rounds, tolerance, log, task = STEP, between = async () => {} }) {
  const contenders = await line(starts, { tolerance, log, task })
  const running = contenders.filter(({ failure }) => failure === null)
  for (let round = 0; round < rounds; round++) {
    for (const { worker, times, others } of running) {
      worker.resume()
      const measured = await undisturbed(worker.process.pid, () => task.time(worker))
      worker.pause()
      times.push(measured.result)
      others.push(measured.others)
    }
    await between()
    log(
      `round ${round + 1}: ${running.map(({ name, times }) => `${name} ${times.at(-1).toFixed(0)}`).join(', ')}`,
    )
  }
  for (const { worker } of running) await worker.close()
  return contenders.map(({ name, times, others, error, failure }) => ({
    name,
    times,
    others: Math.max(...others),
    median: failure === null ? median(times) : null,
    error,
    failure,
  }))
}

module.exports = { contest }
