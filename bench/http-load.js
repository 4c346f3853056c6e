'use strict'
// npm run bench:http-load — `wuerstchen serve` with the bundled model under load, against the engine in this process without
// HTTP, and against FastAPI around diffusers with the same weights. One client by turns, closed loop of 1 to 64 clients
// (autocannon), by turns with the engine, then arrivals at random up to twice the capacity: what is refused, how fast, and
// how /healthz does meanwhile.
// --docs writes what was measured by turns into docs/server.md. --python names an interpreter that has fastapi, uvicorn and
// what .venv has.

const { Agent, request } = require('node:http')
const os = require('node:os')
const path = require('node:path')
const { setTimeout: sleep } = require('node:timers/promises')
const { parseArgs } = require('node:util')
const autocannon = require('autocannon')
const { WuerstchenPipeline } = require('../dist')
const { percentile, random } = require('./support/crowd')
const { ROOT } = require('./support/reference')
const { healthFor, serveOurs, startServer } = require('./support/served')
const { Report } = require('./support/manual')
const { machine, median } = require('./support/statistics')

const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '1,8,64' },
    rounds: { type: 'string', default: '5' }, // of the closed loop
    seconds: { type: 'string', default: '20' }, // of the open loop
    python: { type: 'string', default: '' }, // without it the Python server is left out
    queue: { type: 'string', default: '64' },
    threads: { type: 'string', default: String(os.availableParallelism()) },
    only: { type: 'string', default: 'turns,closed,open,python' },
    pictures: { type: 'string', default: '150' }, // by turns, of each side
    docs: { type: 'boolean', default: false },
    port: { type: 'string', default: '18092' },
  },
})
const seconds = Number(values.seconds)
const MODEL = path.join(ROOT, 'models', 'shapes')
const STEPS = { prior: 20, decoder: 12 }

function body(seed) {
  return {
    prompt: 'a red circle on a blue background',
    size: '256x256',
    wuerstchen: {
      seed,
      prior_num_inference_steps: STEPS.prior,
      num_inference_steps: STEPS.decoder,
      prior_guidance_scale: 4,
    },
  }
}

const OPTIONS = {
  width: 256,
  height: 256,
  priorNumInferenceSteps: STEPS.prior,
  numInferenceSteps: STEPS.decoder,
  priorGuidanceScale: 4,
}

const openPipeline = () =>
  WuerstchenPipeline.fromPretrained(MODEL, { device: 'cpu', threads: Number(values.threads) })

/** A picture in this process, encoded as the server does. */
async function generated(pipeline, seed) {
  const { images } = await pipeline.generate('a red circle on a blue background', { ...OPTIONS, seed })
  return images[0].toBuffer()
}

/** The same pictures, one in this process and one by HTTP: whatever else the machine does meets both alike. */
async function turns(url) {
  const report = new Report('http turns', { docs: values.docs, page: 'server.md' })
  const pipeline = await openPipeline()
  const agent = new Agent({ keepAlive: true })
  const times = { engine: [], http: [] }
  const sides = { engine: (seed) => generated(pipeline, seed), http: (seed) => posted(url, agent, seed) }
  for (let seed = -30; seed < Number(values.pictures); seed++)
    for (const [name, make] of Object.entries(sides)) {
      const began = performance.now()
      await make(seed + 100)
      if (seed >= 0) times[name].push(performance.now() - began)
    }
  agent.destroy()
  await pipeline.dispose()
  const [own, served] = [median(times.engine), median(times.http)]
  report.line('| one client, by turns | engine in process | wuerstchen serve | pace of the engine |')
  report.line('|---|---|---|---|')
  report.line(
    `| ms a picture, median of ${times.http.length} | ${own.toFixed(1)} | ${served.toFixed(1)} | ${((100 * own) / served).toFixed(1)}% |`,
  )
  report.line('')
  report.end()
}

/** As autocannon asks, without its event loop's work. */
function posted(url, agent, seed) {
  const headers = { 'content-type': 'application/json' }
  return new Promise((resolve, reject) => {
    const asking = request(`${url}/v1/images/generations`, { agent, method: 'POST', headers }, (answer) => {
      if (answer.statusCode !== 200) reject(new Error(`Expected 200 but received ${answer.statusCode}`))
      answer.resume().once('end', resolve)
    })
    asking.once('error', reject)
    asking.end(JSON.stringify(body(seed)))
  })
}

/** Pictures of one round: 64 clients ask twice each. */
const pictures = (clients) => clients * Math.max(2, Math.round(40 / clients))

/** The same pictures in this process, by so many callers. */
async function engine(pipeline, clients) {
  let seed = 0
  const caller = async () => {
    for (let left = pictures(clients) / clients; left > 0; left--) await generated(pipeline, seed++)
  }
  const started = performance.now()
  await Promise.all(Array.from({ length: clients }, caller))
  return pictures(clients) / ((performance.now() - started) / 1000)
}

/** Each client asks again as soon as it is answered. The last answer ends a round, so that no picture is cut off. */
async function closed(url, clients) {
  const started = performance.now()
  let last = started
  const asking = autocannon({
    url: `${url}/v1/images/generations`,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body(7)),
    connections: clients,
    amount: pictures(clients),
    timeout: 120,
  })
  asking.on('response', () => {
    last = performance.now()
  })
  const { '2xx': ok, non2xx, errors, latency } = await asking
  return {
    throughput: ok / ((last - started) / 1000),
    p50: latency.p50,
    p99: latency.p99,
    refused: non2xx,
    errors,
  }
}

/** /healthz is not asked in what is measured: the engine in process has nobody who asks, and the same two cores. */
async function withHealth(url, clients) {
  const [health] = await Promise.all([healthFor(url, 3), closed(url, clients)])
  return health
}

/** The engine and the server by turns: whatever else the machine does meets both alike. */
async function closedByTurns(server, pipeline, clients) {
  const health = await withHealth(server.url, clients)
  const rounds = { engine: [], served: [] }
  for (let round = 0; round < Number(values.rounds); round++) {
    rounds.engine.push(await engine(pipeline, clients))
    rounds.served.push(await closed(server.url, clients))
  }
  const alone = median(rounds.engine)
  const throughput = median(rounds.served.map((each) => each.throughput))
  const over = (key) => median(rounds.served.map((each) => each[key]))
  const sum = (key) => rounds.served.reduce((total, each) => total + each[key], 0)
  row('engine in process', clients, { throughput: alone })
  row('wuerstchen serve, closed loop', clients, {
    throughput,
    p50: over('p50'),
    p99: over('p99'),
    refused: sum('refused'),
    errors: sum('errors'),
    health,
  })
  const each = rounds.served.map(({ throughput: pace }, round) => (100 * pace) / rounds.engine[round])
  console.log(
    `  ${((100 * throughput) / alone).toFixed(1)}% of the engine; each of ${each.length} rounds ${each.map((share) => share.toFixed(0)).join(', ')}%`,
  )
  return throughput
}

/** Requests arrive at random, whether or not anything is finished. */
async function open(url, rate) {
  const next = random(99)
  const taken = { ok: [], refused: [], lost: 0 }
  const asking = []
  const end = performance.now() + 1000 * seconds
  const started = performance.now()
  const health = healthFor(url, seconds)
  for (let seed = 0; performance.now() < end; seed++) {
    asking.push(ask(url, seed, taken))
    await sleep((-Math.log(1 - next()) / rate) * 1000)
  }
  const asked = asking.length
  await Promise.all(asking)
  const duration = (performance.now() - started) / 1000
  const sorted = (list) => list.sort((a, b) => a - b)
  return {
    asked,
    throughput: taken.ok.length / duration,
    p50: percentile(sorted(taken.ok), 0.5),
    p99: percentile(sorted(taken.ok), 0.99),
    refused: taken.refused.length,
    refusedP99: taken.refused.length === 0 ? null : percentile(sorted(taken.refused), 0.99),
    errors: taken.lost,
    health: await health,
  }
}

async function ask(url, seed, taken) {
  const started = performance.now()
  try {
    const answer = await fetch(`${url}/v1/images/generations`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body(seed)),
    })
    const { data } = await answer.json()
    const ms = performance.now() - started
    if (answer.status === 200 && data?.[0]?.b64_json) taken.ok.push(ms)
    else if (answer.status === 429 && answer.headers.get('retry-after')) taken.refused.push(ms)
    else taken.lost++
  } catch {
    taken.lost++
  }
}

function row(what, clients, { throughput, p50, p99, refused = 0, refusedP99 = null, errors = 0, health }) {
  const number = (value, digits) => (value === undefined || value === null ? '-' : value.toFixed(digits))
  console.log(
    `| ${what} | ${clients} | ${number(throughput, 2)} | ${number(p50, 0)} | ${number(p99, 0)} | ${refused} | ${number(refusedP99, 1)} | ${errors} | ${number(health, 1)} |`,
  )
}

const openServer = () =>
  serveOurs(['--threads', values.threads, '--device', 'cpu', '--max-queue', values.queue], {
    port: Number(values.port),
  })

async function main() {
  const parts = values.only.split(',')
  const counts = values.clients.split(',').map(Number)
  if (parts.includes('turns')) {
    const server = await openServer()
    await turns(server.url).finally(() => server.stop())
  }
  if (parts.every((part) => part === 'turns')) return
  console.log(`${machine()}; 256x256, ${STEPS.prior} + ${STEPS.decoder} steps, ${values.threads} threads`)
  console.log(
    '| | clients or arrivals/s | pictures/s | p50, ms | p99, ms | refused | their p99, ms | errors | /healthz p99, ms |',
  )
  console.log('|---|---|---|---|---|---|---|---|---|')
  if (parts.includes('closed') || parts.includes('open')) await ours(parts, counts)
  if (parts.includes('python') && values.python !== '') await python(counts)
}

async function ours(parts, counts) {
  const pipeline = await openPipeline()
  const server = await openServer()
  try {
    let capacity = 0
    if (parts.includes('closed'))
      for (const clients of counts)
        capacity = Math.max(capacity, await closedByTurns(server, pipeline, clients))
    else capacity = (await closed(server.url, 8)).throughput
    if (parts.includes('open'))
      for (const part of [0.5, 0.9, 1.5, 2]) {
        const rate = part * capacity
        row(`open loop at ${part}x capacity`, rate.toFixed(1), await open(server.url, rate))
      }
  } finally {
    await pipeline.dispose()
    await server.stop()
  }
}

async function python(counts) {
  const port = Number(values.port) + 1
  const args = [
    '-m',
    'bench.peers.http_server',
    MODEL,
    `${MODEL}-prior`,
    '--port',
    String(port),
    '--threads',
    values.threads,
  ]
  const server = await startServer(values.python, args, { port })
  try {
    for (const clients of counts.filter((count) => count <= 32)) {
      const health = await withHealth(server.url, clients)
      row('FastAPI + diffusers, closed loop', clients, { ...(await closed(server.url, clients)), health })
    }
  } finally {
    server.child.kill('SIGKILL')
  }
}

main()
