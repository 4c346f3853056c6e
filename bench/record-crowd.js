'use strict'
// npm run bench:record-crowd — 1,000 requests of mixed sizes, steps, priorities and deadlines come to the bundled model at 90% of
// what it does one by one. Writes what was asked, how long steps took and when each picture was there to bench/crowd.json, for
// `npm run bench:crowd-simulation -- --recording bench/crowd.json`.

const fs = require('node:fs')
const path = require('node:path')
const { setTimeout: sleep } = require('node:timers/promises')
const { parseArgs } = require('node:util')
const { WuerstchenPipeline } = require('../dist')
const { random, request } = require('./support/crowd')
const { STAGES, Turns } = require('./support/recording')
const { machine } = require('./support/statistics')

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '1000' },
    load: { type: 'string', default: '0.9' },
    out: { type: 'string', default: path.join(__dirname, 'crowd.json') },
  },
})

const SIZES = ['256x256', '256x256', '256x256', '384x256', '128x128']
const ALONE = 12 // pictures of each size, one by one, to learn what they take

function optionsOf({ size, steps, priority }, seed) {
  const [width, height] = size.split('x').map(Number)
  const stages = { priorNumInferenceSteps: steps.prior, numInferenceSteps: steps.decoder }
  return request({ width, height, seed, priority, ...stages })
}

function wishes(count) {
  const next = random(11)
  const pick = (list) => list[Math.floor(next() * list.length)]
  return Array.from({ length: count }, () => ({
    size: pick(SIZES),
    steps: { prior: pick([12, 20, 29]), decoder: pick([6, 12]), vqgan: 1 },
    priority: pick([0, 0, 0, 0, 0, 0, 0, 1, 1, 10]),
    timeout: next() < 0.1 ? Math.round(2000 + 20000 * next()) : null,
    gap: -Math.log(1 - next()), // until the next one comes, of the mean
  }))
}

/** The shapes of each size's stages, and the mean time of a picture alone. */
async function learn(pipeline) {
  const shapes = {}
  let ms = 0
  for (const size of new Set(SIZES)) {
    const turns = new Turns()
    const steps = { prior: 20, decoder: 9, vqgan: 1 } // the means of the mix
    const { prompt, options } = optionsOf({ size, steps, priority: 0 }, 1)
    await pipeline.generate(prompt, options) // the first packs
    const started = performance.now()
    for (let index = 0; index < ALONE; index++) await pipeline.generate(prompt, options)
    const share = SIZES.filter((one) => one === size).length / SIZES.length
    ms += ((performance.now() - started) / ALONE) * share
    shapes[size] = Object.fromEntries(STAGES.map((stage) => [stage, turns.shapeOf(stage)]))
    turns.close()
  }
  return { shapes, ms }
}

async function main() {
  const pipeline = await WuerstchenPipeline.fromPretrained(undefined, { device: 'cpu', maxQueue: 100_000 })
  const { shapes, ms } = await learn(pipeline)
  const asked = wishes(Number(values.requests))
  const turns = new Turns()
  const started = performance.now()
  const now = () => performance.now() - started
  let due = 0
  const ended = []
  for (const [seed, wish] of asked.entries()) {
    await sleep(Math.max(0, due - now()))
    due += (wish.gap * ms) / Number(values.load)
    const comes = Math.round(now())
    const { prompt, options } = optionsOf(wish, seed)
    const { gap, ...kept } = wish
    const make = pipeline.generate(prompt, { ...options, ...(wish.timeout && { timeoutMs: wish.timeout }) })
    ended.push(
      make.then(
        () => ({ ...kept, comes, took: Math.round(now() - comes) }),
        (error) => {
          if (error.code !== 'ERR_WUERSTCHEN_TIMEOUT') throw error
          return { ...kept, comes, took: null }
        },
      ),
    )
  }
  const recorded = { machine: machine(), shapes, wishes: await Promise.all(ended), costs: turns.costs() }
  turns.close()
  fs.writeFileSync(values.out, `${JSON.stringify(recorded)}\n`)
  const late = recorded.wishes.filter(({ took }) => took === null).length
  console.log(`${values.out}: ${asked.length} requests in ${(now() / 1000).toFixed(1)} s, ${late} too late`)
  await pipeline.dispose()
}

main()
