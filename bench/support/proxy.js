'use strict'
// A network between processes and a broker that can be cut: all connections end, or nothing arrives any more.

const { connect, createServer } = require('node:net')

async function startProxy(targetPort) {
  const pairs = new Set()
  let way = 'open'
  const server = createServer((near) => {
    if (way === 'cut') return near.destroy()
    const far = connect(targetPort, '127.0.0.1')
    const pair = [near, far]
    pairs.add(pair)
    for (const [from, to] of [pair, [far, near]]) {
      from.on('error', () => undefined)
      from.on('close', () => {
        to.destroy()
        pairs.delete(pair)
      })
      from.pipe(to)
      if (way === 'frozen') from.pause()
    }
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const end = () => {
    for (const sockets of pairs) for (const socket of sockets) socket.destroy()
  }
  return {
    port: server.address().port,
    /** Every connection ends, and none begins, until `mend()`. */
    cut() {
      way = 'cut'
      end()
    },
    /** Connections look alive but nothing passes, as behind a dead router; what was under way is lost at `mend()`. */
    freeze() {
      way = 'frozen'
      for (const sockets of pairs) for (const socket of sockets) socket.pause()
    },
    mend() {
      if (way === 'frozen') end()
      way = 'open'
    },
    async [Symbol.asyncDispose]() {
      server.close()
      end()
    },
  }
}

module.exports = { startProxy }
