'use strict'
// npm run bench:queue — what a queue costs: time per job against a server with the model in it, throughput of workers against one
// process of the same threads, memory of many queued jobs, and what the broker does for a picture.

const { setTimeout: sleep } = require('node:timers/promises')
const { parseArgs } = require('node:util')
const { connected, explained } = require('./support/broker-client')
const { sizes, spent } = require('./support/broker-costs')
const { QueueClient } = require('./support/queue-client')
const { house } = require('./support/queue-house')
const { machine, median } = require('./support/statistics')

const PARTS = { overhead, throughput, memory, broker }
const { values } = parseArgs({
  options: {
    only: { type: 'string', default: Object.keys(PARTS).join(',') },
    jobs: { type: 'string', default: '100' },
    queued: { type: 'string', default: '10000' },
    cores: { type: 'string', default: '2' },
  },
})
const JOBS = Number(values.jobs)

/** A picture that takes the engine as little as can be. */
const SMALL = {
  prompt: 'a red circle',
  width: 64,
  height: 64,
  prior_num_inference_steps: 2,
  num_inference_steps: 1,
  seed: 7,
}
/** Before anything is measured: a server in use runs compiled code, in all its processes. */
const WARM_UP = 300

const USUAL = { prompt: 'a red circle', seed: 7 }

/** One after another, by turns: other work on the machine meets all alike. */
async function overhead() {
  const rows = []
  for (const fsync of ['everysec', 'always']) {
    await house(
      async ({ local, queued, worker }) => {
        await worker()
        const sides = { local: await local(1), queue: await queued() }
        const times = { local: [], queue: [] }
        for (let index = -WARM_UP; index < JOBS; index++)
          for (const [name, url] of Object.entries(sides)) {
            const ms = await timed(() => generated(url, SMALL))
            if (index >= 0) times[name].push(ms)
          }
        const [before, after] = [percentiles(times.local), percentiles(times.queue)]
        rows.push([fsync, ...before, ...after, (after[0] - before[0]).toFixed(1)])
      },
      { fsync },
    )
  }
  table(
    [
      'appendfsync',
      'model in the server: p50, ms',
      'p95',
      'queue and worker: p50, ms',
      'p95',
      'overhead, p50, ms',
    ],
    rows,
  )
}

async function throughput() {
  const cores = Number(values.cores)
  const rows = []
  const measure = async (title, url) => {
    await closedLoop(url, 16, 16)
    rows.push([title, (await closedLoop(url, JOBS, 16)).toFixed(2)])
  }
  await house(async ({ local }) => measure(`one process, ${cores} threads`, await local(cores)))
  for (const workers of [1, 2, 4]) {
    const threads = Math.max(1, Math.floor(cores / workers))
    await house(async ({ queued, worker }) => {
      for (let index = 0; index < workers; index++)
        await worker('--threads', String(threads), '--concurrency', String(Math.max(2, 16 / workers)))
      await measure(
        `${workers} worker${workers > 1 ? 's' : ''} of ${threads} thread${threads > 1 ? 's' : ''}`,
        await queued(),
      )
    })
  }
  table(['16 clients, pictures of 256x256', 'pictures/s'], rows)
}

async function memory() {
  const count = Number(values.queued)
  await house(async ({ redis, queued, worker, servers }) => {
    const client = connected(redis.url)
    // A worker that has been there: without one nothing is accepted.
    const gone = await worker()
    const url = await queued()
    await gone.stop()
    const server = servers.at(-1).child.pid
    for (let index = 0; index < 200; index++) await submitted(url, `warm-${index}`)
    const before = await sizes(client, server, redis)
    const began = performance.now()
    let next = 0
    await Promise.all(
      Array.from({ length: 50 }, async () => {
        while (next < count) await submitted(url, `order-${next++}`)
      }),
    )
    const seconds = (performance.now() - began) / 1000
    const after = await sizes(client, server, redis)
    client.disconnect()
    table(
      [
        'queued jobs',
        'Redis, MiB',
        'bytes a job',
        'append-only file, MiB',
        'memory of the server, MiB',
        'jobs accepted a second',
      ],
      [
        [
          count,
          mebi(after.redis - before.redis),
          Math.round((after.redis - before.redis) / count),
          mebi(after.file - before.file),
          `${mebi(before.rss)} -> ${mebi(after.rss)}`,
          Math.round(count / seconds),
        ],
      ],
    )
  })
}

async function broker() {
  await house(async ({ redis, queued, worker }) => {
    await worker()
    const url = await queued()
    await closedLoop(url, 16, 8)
    const client = connected(redis.url)
    const quiet = await spent(client, () => sleep(10_000))
    const busy = await spent(client, () => closedLoop(url, JOBS, 8))
    client.disconnect()
    const share = busy.seconds / 10
    const each = (name) => (busy[name] - quiet[name] * share) / JOBS
    const calls = Object.entries(busy.calls)
      .map(([command, count]) => [command, (count - (quiet.calls[command] ?? 0) * share) / JOBS])
      .filter(([, count]) => count >= 0.05)
      .sort(([, a], [, b]) => b - a)
    table(
      ['for a picture of 12 steps, followed by its client', ''],
      [
        [
          'scripts of ours and of BullMQ',
          ((busy.calls.evalsha - (quiet.calls.evalsha ?? 0) * share) / JOBS).toFixed(1),
        ],
        ['commands, with those inside of scripts', each('commands').toFixed(1)],
        ['CPU time of the broker, ms', (1000 * each('cpu')).toFixed(2)],
        ['bytes in', Math.round(each('bytesIn'))],
        ['bytes out', Math.round(each('bytesOut'))],
        [
          'the most frequent',
          calls
            .slice(0, 12)
            .map(([command, count]) => `${command} ${count.toFixed(1)}`)
            .join(', '),
        ],
      ],
    )
    table(
      ['an idle server and worker, a second', ''],
      [
        ['commands', (quiet.commands / 10).toFixed(1)],
        ['CPU time of the broker, ms', (100 * quiet.cpu).toFixed(2)],
      ],
    )
  })
}

async function submitted(url, key) {
  const headers = { 'content-type': 'application/json', 'idempotency-key': key }
  const answer = await fetch(`${url}/v1/jobs`, { method: 'POST', headers, body: JSON.stringify(USUAL) })
  if (answer.status !== 202) throw new Error(`${answer.status} ${await answer.text()}`)
  await answer.arrayBuffer()
}

async function generated(url, { prompt, width, height, ...wuerstchen }) {
  const body = JSON.stringify({ prompt, size: `${width}x${height}`, wuerstchen })
  const answer = await fetch(`${url}/v1/images/generations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  })
  if (!answer.ok) throw new Error(await answer.text())
  await answer.arrayBuffer()
}

/** Pictures a second: each client follows its job to the end, then asks for the next. */
async function closedLoop(url, jobs, clients) {
  const client = new QueueClient(() => [url])
  let next = 0
  const began = performance.now()
  await Promise.all(
    Array.from({ length: clients }, async () => {
      while (next < jobs) {
        next += 1
        const { end } = await client.job(`${Math.random()}`, USUAL)
        if (end.event !== 'done') throw new Error(JSON.stringify(end))
      }
    }),
  )
  return (1000 * jobs) / (performance.now() - began)
}

async function timed(work) {
  const began = performance.now()
  await work()
  return performance.now() - began
}

function percentiles(times) {
  const sorted = [...times].sort((a, b) => a - b)
  return [median(sorted), sorted[Math.floor(sorted.length * 0.95)]].map((ms) => Number(ms.toFixed(1)))
}

const mebi = (bytes) => (bytes / 2 ** 20).toFixed(1)

function table(head, rows) {
  for (const cells of [head, head.map(() => '---'), ...rows]) console.log(`| ${cells.join(' | ')} |`)
  console.log()
}

async function main() {
  console.log(`${machine()}\n`)
  for (const part of values.only.split(',')) await PARTS[part]()
}

main().catch((error) => {
  console.error(explained(error))
  process.exitCode = 1
})
