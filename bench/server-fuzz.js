'use strict'
// npm run bench:server-fuzz — 20,000 requests that nobody should send to `wuerstchen serve` with the bundled model:
// schemathesis from the server's own OpenAPI document, and requests and bytes made by hand. No answer may be a 5xx other
// than 503, the process must live, and its memory must stay flat. schemathesis is a Python program: pip install schemathesis.

const { spawnSync } = require('node:child_process')
const { setTimeout: sleep } = require('node:timers/promises')
const { parseArgs } = require('node:util')
const { hostileBytes, hostileRequest, sendBytes } = require('./support/hostile')
const { serveOurs } = require('./support/served')
const { machine, median } = require('./support/statistics')

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '20000' },
    bytes: { type: 'string', default: '1000' }, // bare connections, of them
    examples: { type: 'string', default: '200' }, // of schemathesis, for each operation
    schemathesis: { type: 'string', default: 'schemathesis' }, // '' for none
    port: { type: 'string', default: '18090' },
    clients: { type: 'string', default: '8' },
  },
})

const LIMITS = [
  ...['--max-steps', '3', '--max-pixels', '16384', '--max-queue', '32', '--max-images', '4'],
  ...['--result-ttl-seconds', '5', '--max-timeout-seconds', '5', '--body-timeout-seconds', '5'],
]

async function main() {
  const server = await serveOurs(LIMITS, { port: Number(values.port) })
  const counts = { status: new Map(), bad: [] }
  const memory = []
  const watching = setInterval(() => memory.push(server.rss()), 500)
  try {
    const generated = values.schemathesis === '' ? null : schemathesis(server)
    await byHand(server, counts)
    await resultsExpired(server)
    clearInterval(watching)
    memory.push(server.rss())
    await report(server, counts, memory, generated)
  } finally {
    clearInterval(watching)
    server.child.kill('SIGKILL')
  }
}

/** Pictures that nobody fetched go by themselves, `--result-ttl-seconds` after they were finished. */
async function resultsExpired({ url }, ms = 60_000) {
  const end = performance.now() + ms
  const kept = async () => {
    const metrics = await (await fetch(`${url}/metrics`)).text()
    const [, bytes] = /^wuerstchen_kept_bytes (\d+)$/m.exec(metrics) ?? []
    return Number(bytes)
  }
  while ((await kept()) !== 0) {
    if (performance.now() > end) throw new Error(`Expected no picture to be kept after ${ms} ms`)
    await sleep(100)
  }
}

/** Its checks of statuses and shapes; what it counts is printed as it says it. */
function schemathesis({ url }) {
  const args = [
    'run',
    `${url}/openapi.json`,
    '--max-examples',
    values.examples,
    '--checks',
    'not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance',
  ]
  const { status, stdout, stderr, error } = spawnSync(
    values.schemathesis,
    [...args, '--seed', '7', '--request-timeout', '30'],
    {
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
    },
  )
  if (error) throw error
  return { status, tail: `${stdout}${stderr}`.split('\n').slice(-60).join('\n') }
}

async function byHand(server, counts) {
  const total = Number(values.requests)
  const raw = Number(values.bytes)
  const jobs = []
  let seed = 0
  const client = async () => {
    while (seed < total) {
      const mine = seed++
      if (mine % Math.ceil(total / raw) === 0) {
        const answer = await sendBytes(server.port, hostileBytes(mine))
        for (const [, status] of answer.matchAll(/^HTTP\/1.1 (\d+)/gm))
          note(counts, Number(status), `bytes ${mine}`)
      } else await one(server, mine, jobs, counts)
      if (mine % 2000 === 0) console.error(`${mine} of ${total}`)
    }
  }
  await Promise.all(Array.from({ length: Number(values.clients) }, client))
}

async function one(server, seed, jobs, counts) {
  const { path, ...request } = hostileRequest(seed, jobs)
  try {
    const response = await fetch(server.url + path, request)
    const text = await response.text()
    note(counts, response.status, `request ${seed}: ${text.slice(0, 200)}`)
    const id = /"id":"(job_\w+)"/.exec(text)?.[1]
    if (id !== undefined) jobs[seed % 50] = id
  } catch (error) {
    if (!server.alive()) throw new Error(`Expected the server to live, but it ended at request ${seed}`)
    note(counts, 'closed', error.cause?.code)
  }
}

function note({ status: counts, bad }, status, what) {
  counts.set(status, (counts.get(status) ?? 0) + 1)
  if (status >= 500 && status !== 503) bad.push(`${status} at ${what}`)
}

async function report(server, { status, bad }, memory, generated) {
  const quarter = Math.floor(memory.length / 4)
  const [early, late] = [memory.slice(quarter, 2 * quarter), memory.slice(-quarter)].map(
    (part) => median(part) / 2 ** 20,
  )
  const metrics = await (await fetch(`${server.url}/metrics`)).text()
  const served = [...metrics.matchAll(/^wuerstchen_http_request_seconds_count{.*} (\d+)$/gm)]
  const sum = served.reduce((total, [, count]) => total + Number(count), 0)
  console.log(`${machine()}; ${sum} requests answered in all, ${values.requests} made by hand`)
  console.log(
    `by status: ${[...status]
      .sort()
      .map(([code, count]) => `${code}: ${count}`)
      .join(', ')}`,
  )
  console.log(
    `memory: ${early.toFixed(0)} MiB in the second quarter, ${late.toFixed(0)} MiB in the last; ${server.files()} open files`,
  )
  if (generated !== null) console.log(`schemathesis (exit ${generated.status}):\n${generated.tail}`)
  for (const line of bad.slice(0, 20)) console.log(`BAD ${line}`)
  const code = await server.stop()
  console.log(`exit code ${code}; ${bad.length} answers of 5xx other than 503`)
  const failed =
    bad.length > 0 || code !== 0 || late > 1.1 * early || (generated !== null && generated.status !== 0)
  process.exitCode = failed ? 1 : 0
}

main()
