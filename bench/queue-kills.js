'use strict'
// npm run bench:queue-kills — jobs through kills: SIGKILL of workers, servers and the broker, and a network that is cut or
// goes silent, each in the middle of jobs. Counts accepted jobs that were lost and pictures that a client saw twice. As root
// on Linux the broker is in a network of its own, whose cable is pulled for 2 and for 12 seconds; elsewhere a proxy is
// between it and the others, which ends connections or passes nothing on.

const { mkdtempSync, rmSync } = require('node:fs')
const { tmpdir } = require('node:os')
const { join } = require('node:path')
const { setTimeout: sleep } = require('node:timers/promises')
const { parseArgs } = require('node:util')
const { layCable } = require('./support/cable')
const { startProxy } = require('./support/proxy')
const { QueueClient } = require('./support/queue-client')
const { startRedis } = require('./support/redis')
const { machine } = require('./support/statistics')
const { startServer, startWorker } = require('./support/wuerstchen-process')

const { values } = parseArgs({
  options: {
    jobs: { type: 'string', default: '200' },
    kills: { type: 'string', default: '20' },
    clients: { type: 'string', default: '8' },
    verbose: { type: 'boolean', default: false },
  },
})
const [JOBS, KILLS, CLIENTS] = [values.jobs, values.kills, values.clients].map(Number)

/** Two pictures, so that a job can be cut between them. */
const BODY = { prompt: 'a red circle', n: 2, width: 128, height: 128, prior_num_inference_steps: 20 }

async function main() {
  const folder = mkdtempSync(join(tmpdir(), 'wuerstchen-kills-'))
  const cable = layCable()
  const redis = await startRedis({ fsync: 'always', cable })
  const network = cable ?? (await startProxy(redis.port))
  const url = cable === null ? `redis://127.0.0.1:${network.port}` : redis.url
  const flags = ['--queue', url, '--store', join(folder, 'store')]
  const workers = []
  const servers = []
  const newWorker = () => startWorker([...flags, '--queue-lock-seconds', '3', '--max-workers-lost', '100'])
  const newServer = () => startServer([...flags, '--max-jobs-per-key', '1000'])
  try {
    for (let index = 0; index < 2; index++) {
      workers.push(await newWorker())
      servers.push(await newServer())
    }
    const counted = await survive({ redis, network, workers, servers, newWorker, newServer })
    report(counted)
  } finally {
    await Promise.all([...workers, ...servers, redis].map((one) => one[Symbol.asyncDispose]()))
    await (network[Symbol.asyncDispose] ?? network[Symbol.dispose]).call(network)
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Kills go round all kinds, one whenever so many more jobs are finished. */
async function survive(house) {
  const { servers, network } = house
  const client = new QueueClient(() => servers.map((one) => one.url()))
  const ways = 'pull' in network ? ['cable, 2 s', 'cable, 12 s'] : ['cut', 'silence']
  const kinds = Object.fromEntries(['worker', 'server', 'broker', ...ways].map((kind) => [kind, 0]))
  const results = []
  let started = 0
  let kills = 0
  let killing = Promise.resolve()
  const maybeKill = () => {
    const due = Math.floor(((results.length + CLIENTS / 2) * KILLS) / JOBS)
    if (due <= kills || kills >= KILLS) return
    const kind = Object.keys(kinds)[kills % 5]
    kinds[kind] += 1
    kills += 1
    killing = killing.then(() => strike(kind, house, kills))
  }
  const clients = Array.from({ length: CLIENTS }, async () => {
    while (started < JOBS) {
      const result = await client.job(`order-${started++}`, BODY)
      results.push(result)
      if (values.verbose) console.error(`${results.length} done, ${kills} kills`)
      maybeKill()
    }
  })
  await Promise.all(clients)
  await killing
  const sizes = await Promise.all(
    results.flatMap(({ id, images }) =>
      images.map(async (index) => (await client.picture(id, index))?.length ?? 0),
    ),
  )
  return {
    results,
    kinds,
    kills,
    failures: client.failures,
    empty: sizes.filter((size) => size === 0).length,
  }
}

/** One failure. Its waits are how long it lasts: what it does to others shows in what they answer. */
async function strike(kind, { redis, network, workers, servers, newWorker, newServer }, count) {
  if (values.verbose) console.error(`strike ${count}: ${kind}`)
  if (kind === 'worker') {
    await workers.shift().stop('SIGKILL')
    workers.push(await newWorker())
  } else if (kind === 'server') {
    await servers.shift().stop('SIGKILL')
    servers.push(await newServer())
  } else if (kind === 'broker') {
    await redis.kill()
    await sleep(300)
    await redis.start()
  } else if (kind.startsWith('cable')) {
    network.pull()
    await sleep(kind === 'cable, 2 s' ? 2000 : 12_000)
    network.plug()
  } else if (kind === 'cut') {
    network.cut()
    await sleep(1000)
    network.mend()
  } else {
    network.freeze()
    await sleep(5000)
    network.mend()
  }
}

function report({ results, kinds, kills, failures, empty }) {
  const complete = results.filter(({ end }) => end.event === 'done')
  const lost =
    results.length - complete.length + complete.filter(({ images }) => new Set(images).size < BODY.n).length
  const doubled = results.reduce((sum, { images }) => sum + images.length - new Set(images).size, 0)
  const twice = results.length - new Set(results.map(({ id }) => id)).size
  console.log(`${machine()}\n`)
  console.log(
    '| jobs accepted | kills | lost | pictures seen twice | jobs made twice | pictures that cannot be fetched | answers that failed on the way |',
  )
  console.log('| --- | --- | --- | --- | --- | --- | --- |')
  console.log(
    `| ${results.length} | ${kills} (${Object.entries(kinds)
      .map(([kind, count]) => `${count} ${kind}`)
      .join(', ')}) | ${lost} | ${doubled} | ${twice} | ${empty} | ${failures} |`,
  )
  for (const { id, end } of results)
    if (end.event !== 'done') console.log(`${id}: ${JSON.stringify(end.error)}`)
  if (lost + doubled + twice + empty > 0 || kills < KILLS) process.exitCode = 1
}

main()
