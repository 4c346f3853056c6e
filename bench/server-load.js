'use strict'
// npm run bench:server-load — 64 mixed requests (sizes, steps, aborts at random) on the bundled model: all of the engine,
// against the same requests one by one, and against a Python worker with diffusers that takes them one by one.

const os = require('node:os')
const path = require('node:path')
const { monitorEventLoopDelay } = require('node:perf_hooks')
const { setTimeout: sleep } = require('node:timers/promises')
const { parseArgs } = require('node:util')
const { WuerstchenPipeline } = require('../dist')
const { mix, percentile, random } = require('./support/crowd')
const { ROOT, Reference } = require('./support/reference')
const { Report } = require('./support/manual')
const { machine, median } = require('./support/statistics')

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '64' },
    clients: { type: 'string', default: '8' },
    runs: { type: 'string', default: '3' },
    dtype: { type: 'string', default: 'float32' },
    aborted: { type: 'string', default: '0.1' }, // the part of the requests whose client loses interest
    alone: { type: 'boolean', default: false }, // without diffusers
    docs: { type: 'boolean', default: false }, // into docs/benchmarks.md
  },
})
const MODEL = path.join(ROOT, 'models', 'shapes')

async function ask(pipeline, { prompt, options, abortAfter }) {
  const abort = new AbortController()
  const timer = abortAfter === null ? undefined : setTimeout(() => abort.abort(), abortAfter)
  const started = performance.now()
  try {
    await pipeline.generate(prompt, { ...options, signal: abort.signal })
    return performance.now() - started
  } catch (error) {
    if (!abort.signal.aborted) throw error
    return null
  } finally {
    clearTimeout(timer)
  }
}

/** Each of `clients` asks for its next picture as soon as it has one. */
async function closedLoop(pipeline, requests, clients) {
  const queue = [...requests]
  const latencies = []
  const client = async () => {
    for (let request = queue.shift(); request !== undefined; request = queue.shift()) {
      latencies.push(await ask(pipeline, request))
    }
  }
  await Promise.all(Array.from({ length: clients }, client))
  return latencies
}

/** Requests arrive at random, at `rate` a second, whether or not anything is finished. */
async function openLoop(pipeline, requests, rate) {
  const next = random(99)
  const latencies = []
  for (const request of requests) {
    latencies.push(ask(pipeline, request))
    await sleep((-Math.log(1 - next()) / rate) * 1000)
  }
  return Promise.all(latencies)
}

async function diffusersLoop(reference, requests) {
  const latencies = []
  for (const { prompt, options, abortAfter } of requests) {
    if (abortAfter !== null) continue // it cannot abort: spare it those
    latencies.push((await reference.generate({ prompt, ...options })).seconds * 1000)
  }
  return latencies
}

async function measured(pipeline, work) {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  const before = pipeline?.statistics
  delay.enable()
  const started = performance.now()
  const latencies = (await work()).filter((latency) => latency !== null).sort((a, b) => a - b)
  const seconds = (performance.now() - started) / 1000
  delay.disable()
  const occupancy = (stage) => {
    const [now, then] = [pipeline.statistics.stages[stage], before.stages[stage]]
    return (now.steps - then.steps) / (now.turns - then.turns)
  }
  return {
    throughput: latencies.length / seconds,
    p50: percentile(latencies, 0.5),
    p95: percentile(latencies, 0.95),
    p99: percentile(latencies, 0.99),
    delay: pipeline ? Math.max(0, delay.percentile(99) / 1e6 - 1) : null, // beyond the timer's own millisecond
    prior: pipeline ? occupancy('prior') : null,
    decoder: pipeline ? occupancy('decoder') : null,
  }
}

async function main() {
  const requests = mix(Number(values.requests), 4, Number(values.aborted))
  const clients = Number(values.clients)
  const pipeline = await WuerstchenPipeline.fromPretrained(MODEL, { dtype: values.dtype, device: 'cpu' })
  const threads = os.availableParallelism()
  const reference = values.alone
    ? null
    : await new Reference(MODEL, `${MODEL}-prior`, { dtype: values.dtype, threads }).ready()
  const warm = mix(8, 5)
  await closedLoop(pipeline, warm, 4)
  if (reference !== null) await diffusersLoop(reference, warm)

  const found = { engine: [], open: [], single: [], diffusers: [] }
  for (let run = 0; run < Number(values.runs); run++) {
    found.engine.push(await measured(pipeline, () => closedLoop(pipeline, requests, clients)))
    found.single.push(await measured(pipeline, () => closedLoop(pipeline, requests, 1)))
    const rate = 0.8 * found.engine[run].throughput
    found.open.push(await measured(pipeline, () => openLoop(pipeline, requests, rate)))
    if (reference !== null)
      found.diffusers.push(await measured(null, () => diffusersLoop(reference, requests)))
  }
  await reference?.close()
  await pipeline.dispose()

  const names = {
    engine: `closed loop, ${clients} clients`,
    open: 'open loop, arrivals at 80% of that',
    single: 'one by one',
    diffusers: 'diffusers, one by one',
  }
  const report = new Report('server-load', values)
  console.log(
    `${machine()}; ${values.dtype}; ${requests.length} requests, ${values.runs} interleaved runs, medians`,
  )
  report.line(
    '| | images/s | p50, ms | p95, ms | p99, ms | event loop delay p99, ms | pictures a step, Stage C | Stage B |',
  )
  report.line('|---|---|---|---|---|---|---|---|')
  for (const [key, rows] of Object.entries(found).filter(([, rows]) => rows.length > 0)) {
    const cell = (name, digits) => {
      const numbers = rows.map((row) => row[name])
      return numbers[0] === null ? '-' : median(numbers).toFixed(digits)
    }
    report.line(
      `| ${names[key]} | ${cell('throughput', 2)} | ${cell('p50', 0)} | ${cell('p95', 0)} | ${cell('p99', 0)} | ${cell('delay', 1)} | ${cell('prior', 2)} | ${cell('decoder', 2)} |`,
    )
  }
  const ratio = (a, b) => median(found[a].map(({ throughput }, run) => throughput / found[b][run].throughput))
  report.line(
    `\nthroughput: ${ratio('engine', 'single').toFixed(2)}x of one by one${reference === null ? '' : `, ${ratio('engine', 'diffusers').toFixed(2)}x of diffusers`}`,
  )
  report.end()
}

main()
