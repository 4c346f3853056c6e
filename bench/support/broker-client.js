'use strict'
const { Redis } = require('ioredis')

/** A benchmark's own connection to its broker. Once broken it stays so: what was measured until then is worth nothing. */
function connected(url) {
  const client = new Redis(url, { retryStrategy: () => null })
  // Without a listener ioredis prints a trace for each; who waits for an answer is told.
  client.on('error', () => undefined)
  return client
}

/** A sentence for an error of such a connection; the error itself for any other. */
const explained = (error) =>
  /^Connection is closed|ECONN|EPIPE/.test(error?.message)
    ? `Expected the benchmark's broker to answer but its connection is lost: ${error.message}`
    : error

module.exports = { connected, explained }
