'use strict'
// npm run bench:server-attacks — slowloris, slow bodies, bodies of 100 MB, half-open connections, pipelined garbage and
// clients that read nothing, all against one `wuerstchen serve`, while others ask for /healthz: what each takes.

const { connect } = require('node:net')
const { setTimeout: sleep } = require('node:timers/promises')
const { parseArgs } = require('node:util')
const { serveOurs } = require('./support/served')
const { percentile } = require('./support/crowd')
const { machine } = require('./support/statistics')

const { values } = parseArgs({
  options: {
    connections: { type: 'string', default: '500' },
    seconds: { type: 'string', default: '12' },
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

async function main() {
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
