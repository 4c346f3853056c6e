'use strict'
// npm run bench:crowd-simulation — 1,000 pictures of mixed sizes, steps, priorities and deadlines through the scheduler, on a
// clock of its own: the mean and the 99th percentile of the time to a picture, beside the ideal and beside what was before.
// `--recording bench/crowd.json` plays what an engine was really asked (`npm run bench:record-crowd`), beside what it then did.

const fs = require('node:fs')
const { parseArgs } = require('node:util')
const { Crowd } = require('../dist/engine/crowd')
const { Widths } = require('../dist/engine/pace')
const { percentile, random } = require('./support/crowd')
const { Report } = require('./support/manual')
const { Patience } = require('./support/patience')
const { costOf, STAGES } = require('./support/recording')

const { values } = parseArgs({
  options: {
    pictures: { type: 'string', default: '1000' },
    recording: { type: 'string' },
    docs: { type: 'boolean', default: false }, // into docs/benchmarks.md
  },
})
const recording = values.recording && JSON.parse(fs.readFileSync(values.recording, 'utf8'))

// Milliseconds of a step of n pictures, a + b n; measured with the bundled model on two cores with AVX-512.
const COSTS = {
  '256x256': { prior: [0.3, 2.3], decoder: [1.2, 2.0], vqgan: [0, 5.6] },
  '384x256': { prior: [0.35, 3.3], decoder: [1.7, 2.95], vqgan: [0, 8.4] },
  '128x128': { prior: [0.2, 0.72], decoder: [0.65, 0.73], vqgan: [0, 1.7] },
}
const SIZES = ['256x256', '256x256', '256x256', '384x256', '128x128']
const LIMITS = { maxRows: 8, patience: 32, courtesy: 4 }
const WIDEST = 4 // pictures: what an ideal batch of either stage has at least

/** `load` is what comes of what can be done, one by one; null for all at once. */
function wishes(count, load) {
  const next = random(11)
  const pick = (list) => list[Math.floor(next() * list.length)]
  let comes = 0
  return Array.from({ length: count }, (_, arrival) => {
    const size = pick(SIZES)
    const steps = { prior: pick([12, 20, 29]), decoder: pick([6, 12]), vqgan: 1 }
    const priority = pick([0, 0, 0, 0, 0, 0, 0, 1, 1, 10])
    const timeout = next() < 0.1 ? 2000 + 20000 * next() : Number.POSITIVE_INFINITY // ms
    const wish = { arrival, size, steps, priority, timeout, comes }
    if (load !== null) comes += (-Math.log(1 - next()) * workOf(wish, 1)) / load
    return wish
  })
}

const cost = recording ? costOf(recording) : assumedCost

function assumedCost(size, stage, pictures) {
  const [fixed, each] = COSTS[size][stage]
  return fixed + each * pictures
}

/** Milliseconds of a picture whose steps are shared by `width` of them. */
function workOf({ size, steps }, width) {
  return STAGES.reduce((sum, stage) => {
    const pictures = stage === 'vqgan' ? 1 : width
    return sum + (steps[stage] * cost(size, stage, pictures)) / pictures
  }, 0)
}

class Job {
  stage = 'prior'
  step = 0
  waited = 0
  ended = null
  kept = 0
  share = 0
  mostShare = 0
  mostRows = 2

  constructor(wish) {
    Object.assign(this, { wish, priority: wish.priority, arrival: wish.arrival })
  }

  get batchKey() {
    return `${this.stage} ${this.wish.size}`
  }

  get rows() {
    return this.stage === 'prior' ? 2 : 1
  }

  advance(now) {
    this.step += 1
    if (this.step < this.wish.steps[this.stage]) return
    this.step = 0
    if (this.stage === 'vqgan') this.ended = now
    else this.stage = this.stage === 'prior' ? 'decoder' : 'vqgan'
  }
}

function play(list, crowd, widths) {
  const jobs = list.map((wish) => new Job(wish))
  let now = 0
  let coming = 0
  for (;;) {
    const from = coming
    while (coming < jobs.length && jobs[coming].wish.comes <= now) coming += 1
    crowd.add(jobs.slice(from, coming))
    crowd.remove(({ ended, wish }) => ended !== null || now > wish.comes + wish.timeout)
    if (crowd.size === 0) {
      if (coming === jobs.length) return jobs
      now = jobs[coming].wish.comes
      continue
    }
    const batch = crowd.next({ ...LIMITS, widest: (key) => widths.widest(key) })
    const [{ stage, batchKey, wish }] = batch
    const ms = cost(wish.size, stage, batch.length)
    widths.record(batchKey, batch.length, ms)
    now += ms
    for (const job of batch) job.advance(now)
  }
}

/** Nobody shares, and yet every step is as cheap as in a batch of four: one after the other, the urgent ones in between. */
function ideal(list) {
  const jobs = list.map((wish) => ({ wish, left: workOf(wish, WIDEST), ended: null, lost: false }))
  let now = 0
  let coming = 0
  let there = []
  for (;;) {
    while (coming < jobs.length && jobs[coming].wish.comes <= now) there.push(jobs[coming++])
    there = there.filter(({ ended, wish }) => ended === null && now <= wish.comes + wish.timeout)
    const arrives = jobs[coming]?.wish.comes ?? Number.POSITIVE_INFINITY
    const [first] = there.sort((a, b) => b.wish.priority - a.wish.priority || a.wish.arrival - b.wish.arrival)
    if (first === undefined) {
      if (coming === jobs.length) return jobs
      now = arrives
      continue
    }
    const ms = Math.min(first.left, arrives - now)
    now += ms
    first.left -= ms
    if (first.left <= 1e-9) first.ended = now
  }
}

const anyWidth = { record: () => undefined, widest: () => Number.POSITIVE_INFINITY }
const PLAYERS = {
  ideal,
  'few let in': (list) => play(list, new Crowd(), new Widths()),
  'patience, before': (list) => play(list, new Patience(), anyWidth),
}

/** What the engine itself did when it was recorded. */
function recorded(list) {
  return list.map((wish) => ({ wish, ended: wish.took === null ? null : wish.comes + wish.took }))
}

function recordedWishes() {
  return recording.wishes.map((wish, arrival) => ({
    ...wish,
    arrival,
    timeout: wish.timeout ?? Number.POSITIVE_INFINITY,
  }))
}

const generated = (load) => () => wishes(Number(values.pictures), load)
const MIXES = recording
  ? { 'as recorded': recordedWishes }
  : {
      'all at once': generated(null),
      'at 90% of one by one': generated(0.9),
      'at 110%': generated(1.1),
    }
if (recording) PLAYERS['the engine itself'] = recorded

console.log(
  recording
    ? `${recording.wishes.length} pictures, ${recording.machine}; seconds`
    : `${values.pictures} pictures; seconds`,
)
const report = new Report(recording ? 'recorded crowd' : 'crowd-simulation', values)
report.line(
  '| arrivals | scheduler | all done after | mean | p99 | mean, priority 10 | p99, priority 10 | too late |',
)
report.line('|---|---|---|---|---|---|---|---|')
for (const [arrivals, wishesOf] of Object.entries(MIXES)) {
  for (const [name, player] of Object.entries(PLAYERS)) {
    const jobs = player(wishesOf())
    const done = jobs.filter(({ ended }) => ended !== null)
    const took = (list) => list.map(({ ended, wish }) => ended - wish.comes).sort((a, b) => a - b)
    const mean = (list) => list.reduce((sum, one) => sum + one, 0) / list.length
    const [all, urgent] = [took(done), took(done.filter(({ wish }) => wish.priority === 10))]
    const cells = [
      Math.max(...done.map(({ ended }) => ended)),
      mean(all),
      percentile(all, 0.99),
      mean(urgent),
      percentile(urgent, 0.99),
    ].map((ms) => (ms / 1000).toFixed(2))
    report.line(`| ${arrivals} | ${name} | ${cells.join(' | ')} | ${jobs.length - done.length} |`)
  }
}
report.end()
