'use strict'
// A hub on loopback with one repository: a network whose weights are as large as asked for. The bytes are computed, not
// stored, and no two parts of the file are equal, so that a part in the wrong place changes the hash.

const { createHash } = require('node:crypto')
const { once } = require('node:events')
const { createServer } = require('node:http')
const { Readable } = require('node:stream')
const { pipeline } = require('node:stream/promises')

const REPOSITORY = 'bench/large'
const WEIGHTS = 'diffusion_pytorch_model.safetensors'
const CONFIG = Buffer.from('{"_class_name": "WuerstchenPrior"}')
const CHUNK_BYTES = 1024 * 1024
const PAGE_BYTES = 4096

const noise = Buffer.concat(
  Array.from({ length: CHUNK_BYTES / 32 }, (_, index) => createHash('sha256').update(`${index}`).digest()),
)

/** The bytes of the file from `start` on, at most `CHUNK_BYTES` and never beyond a chunk's end. Valid until the next call. */
const scratch = Buffer.from(noise)
function chunkAt(start, end) {
  const first = start - (start % CHUNK_BYTES)
  for (let at = 0; at < CHUNK_BYTES; at += PAGE_BYTES) scratch.writeDoubleLE(first + at, at)
  return scratch.subarray(start - first, Math.min(end - first, CHUNK_BYTES))
}

/** The sha256 of the first `size` bytes. */
function hashOf(size) {
  const hash = createHash('sha256')
  for (const chunk of chunksOf(0, size)) hash.update(chunk)
  return hash.digest('hex')
}

async function sendWeights(request, response, size) {
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []
  const [start, end] = first === undefined ? [0, size] : [Number(first), Number(last) + 1]
  response.writeHead(first === undefined ? 200 : 206, {
    'content-length': end - start,
    ...(first === undefined ? {} : { 'content-range': `bytes ${start}-${end - 1}/${size}` }),
  })
  await pipeline(Readable.from(chunksOf(start, end)), response)
}

function* chunksOf(start, end) {
  for (let at = start; at < end; ) {
    const chunk = Buffer.from(chunkAt(at, end))
    at += chunk.length
    yield chunk
  }
}

/** Serves a file of `size` bytes. `requests` are the ranges that were asked of it. */
async function startBigHub(size) {
  const sha256 = hashOf(size)
  const commit = createHash('sha1').update(sha256).digest('hex')
  const config = createHash('sha1').update(`blob ${CONFIG.length}\0`).update(CONFIG).digest('hex')
  const requests = []
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '', 'http://hub')
    if (pathname.endsWith(`/${WEIGHTS}`)) {
      requests.push(request.headers.range)
      // A client that goes away is no failure of the hub.
      sendWeights(request, response, size).catch(() => response.destroy())
    } else if (pathname.endsWith('/config.json')) response.end(CONFIG)
    else if (pathname.includes('/revision/')) response.end(JSON.stringify({ id: REPOSITORY, sha: commit }))
    else {
      const weights = { type: 'file', path: WEIGHTS, size, oid: commit, lfs: { oid: sha256, size } }
      response.end(
        JSON.stringify([{ type: 'file', path: 'config.json', size: CONFIG.length, oid: config }, weights]),
      )
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    endpoint: `http://127.0.0.1:${server.address().port}`,
    sha256,
    commit,
    requests,
    stop: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** As a process of its own: tells its address, and what was asked of it since it was last asked. */
async function serve(size) {
  const { endpoint, sha256, requests } = await startBigHub(size)
  process.on('message', () => {
    process.send({ count: requests.length, distinct: new Set(requests).size })
    requests.length = 0
  })
  process.on('disconnect', () => process.exit())
  process.send({ endpoint, sha256 })
}

if (require.main === module) serve(Number(process.argv[2]))

module.exports = { REPOSITORY, WEIGHTS, startBigHub }
