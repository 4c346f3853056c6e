'use strict'
// A port that nobody listens on at the moment, for programs that want to be told one.

const { createServer } = require('node:net')

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

module.exports = { freePort }
