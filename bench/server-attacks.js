'use strict'
// npm run bench:server-attacks — slowloris, slow bodies, bodies of 100 MB, half-open connections, pipelined garbage and
// clients that read nothing, all against one `wuerstchen serve`, while others ask for /healthz: what each takes. As root on Linux
// also clients whose cable is pulled: how long the server holds their connections.

const { execFileSync, spawn } = require('node:child_process')
const { mkdtempSync, rmSync, writeFileSync } = require('node:fs')
const { connect } = require('node:net')
const { tmpdir } = require('node:os')
const { join } = require('node:path')
const { setTimeout: sleep } = require('node:timers/promises')
const { parseArgs } = require('node:util')
const { layCable } = require('./support/cable')
const { serveOurs } = require('./support/served')
const { percentile } = require('./support/crowd')
const { machine } = require('./support/statistics')

const { values } = parseArgs({
  options: {
    connections: { type: 'string', default: '500' },
    seconds: { type: 'string', default: '12' },
    only: { type: 'string', default: 'attacks,half-open' },
    port: { type: 'string', default: '18091' },
  },
})
const LIMITS = ['--header-timeout-seconds', '5', '--body-timeout-seconds', '8', '--max-timeout-seconds', '60']

const HEAD = 'POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n'
const ATTACKS = {
  'nothing else': { count: 0 },
  'slowloris: a header line a second': {
    first: 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n',
    each: 'x-a: b\r\n',
  },
  'a byte of the body a second': { first: `${HEAD}Content-Length: 10000\r\n\r\n`, each: ' ' },
  'connections that send nothing': { first: '' },
  'a body of 100 MB, announced': {
    count: 8,
    first: `${HEAD}Content-Length: 104857600\r\n\r\n`,
    flood: 104_857_600,
  },
  'a body of 100 MB, in chunks': {
    count: 8,
    first: `${HEAD}Transfer-Encoding: chunked\r\n\r\n6400000\r\n`,
    flood: 104_857_600,
  },
  'pipelined garbage': {
    count: 100,
    first: `${'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(100)}\0garbage\r\n\r\n`,
    again: true,
  },
  'pipelined requests whose answers nobody reads': {
    count: 50,
    first: 'GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(400),
    deaf: true,
  },
}

/** One connection of an attack; tells when the server closed it. */
function attack(port, { first, each, flood = 0, again = false, deaf = false }, state) {
  if (state.over) return
  const started = performance.now()
  const socket = connect(port, '127.0.0.1')
  state.sockets.add(socket)
  let sent = 0
  const more = () => {
    const chunk = Buffer.alloc(65_536, 0x20)
    while (sent < flood && socket.writable) {
      sent += chunk.length
      state.bytes += chunk.length
      if (!socket.write(chunk)) return void socket.once('drain', more)
    }
  }
  socket.on('connect', () => {
    socket.write(first)
    if (flood > 0) more()
  })
  if (deaf) socket.pause()
  else socket.resume()
  const timer = each === undefined ? undefined : setInterval(() => socket.write(each), 1000)
  socket.on('error', () => undefined) // closed while we write
  socket.on('close', () => {
    clearInterval(timer)
    state.sockets.delete(socket)
    if (!state.over) state.lives.push((performance.now() - started) / 1000)
    if (again) attack(port, { first, again }, state)
  })
}

/** How long /healthz takes meanwhile, asked every 20 ms on connections of its own. */
async function health(url, until) {
  const latencies = []
  const asking = []
  while (performance.now() < until) {
    const started = performance.now()
    asking.push(
      fetch(`${url}/healthz`).then(async (answer) => {
        await answer.text()
        latencies.push(performance.now() - started)
      }),
    )
    await sleep(20)
  }
  await Promise.all(asking)
  return latencies.sort((a, b) => a - b)
}

/** Clients that are gone without a word: seconds until the server holds half, and none, of their connections. */
async function halfOpen(seconds = 180) {
  const cable = layCable()
  if (cable === null)
    return console.log('half-open connections: SKIPPED, this process may not make a network')
  const folder = mkdtempSync(join(tmpdir(), 'wuerstchen-attacks-'))
  const main = join(__dirname, '..', 'dist', 'cli', 'main.js')
  const { key, entry } = JSON.parse(
    execFileSync(process.execPath, [main, 'key', 'web', '--json'], { encoding: 'utf8' }),
  )
  const config = join(folder, 'server.json')
  writeFileSync(config, JSON.stringify({ keys: [entry] }))
  const server = await serveOurs([...LIMITS, '--host', '0.0.0.0', '--config', config], {
    port: Number(values.port),
  })
  try {
    const before = server.files()
    const near = cable.host.replace(/2$/, '1')
    const [program, ...args] = [
      ...cable.command,
      process.execPath,
      join(__dirname, 'support', 'followers.js'),
    ]
    const clients = spawn(program, [...args, `http://${near}:${server.port}`, key, '20'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await new Promise((resolve) => clients.stdout.once('data', resolve))
    const most = server.files() - before
    cable.pull()
    clients.kill('SIGKILL')
    const started = performance.now()
    let half = null
    for (;;) {
      const held = server.files() - before
      const passed = (performance.now() - started) / 1000
      if (held <= most / 2) half ??= passed
      if (held <= 1 || passed > seconds) {
        const none = held <= 1 ? `${passed.toFixed(0)} s` : `more than ${seconds} s (${held})`
        return console.log(
          `half-open: ${most} connections (idle, followers of a job, bodies half sent): half of them held for ${half?.toFixed(0) ?? '-'} s, any for ${none}`,
        )
      }
      await sleep(500)
    }
  } finally {
    server.child.kill('SIGKILL')
    cable[Symbol.dispose]()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function main() {
  if (values.only.includes('attacks')) await attacks()
  if (values.only.includes('half-open')) await halfOpen()
}

async function attacks() {
  const server = await serveOurs(LIMITS, { port: Number(values.port) })
  const seconds = Number(values.seconds)
  console.log(`${machine()}; ${seconds} s each, header timeout 5 s, body timeout 8 s`)
  console.log(
    '| attack | connections | closed by the server after, s (median, longest) | /healthz p50, ms | p99, ms | memory, MiB | open files afterwards |',
  )
  console.log('|---|---|---|---|---|---|---|')
  try {
    await health(server.url, performance.now() + 2000)
    for (const [name, how] of Object.entries(ATTACKS)) {
      const count = how.count ?? Number(values.connections)
      const state = { sockets: new Set(), lives: [], bytes: 0, over: false }
      for (let index = 0; index < count; index++) attack(server.port, how, state)
      const latencies = await health(server.url, performance.now() + 1000 * seconds)
      const rss = server.rss()
      state.over = true
      for (const socket of state.sockets) socket.destroy()
      await sleep(1000)
      const lives = state.lives.sort((a, b) => a - b)
      const closed =
        lives.length === 0
          ? '-'
          : `${percentile(lives, 0.5).toFixed(1)}, ${lives.at(-1).toFixed(1)} (${lives.length})`
      console.log(
        `| ${name} | ${count} | ${closed} | ${percentile(latencies, 0.5).toFixed(1)} | ${percentile(latencies, 0.99).toFixed(1)} | ${(rss / 2 ** 20).toFixed(0)} | ${server.files()} |`,
      )
    }
    console.log(`exit code ${await server.stop()}`)
  } finally {
    server.child.kill('SIGKILL')
  }
}

main()
