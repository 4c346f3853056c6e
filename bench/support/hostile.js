'use strict'
// Requests that nobody in their right mind sends: made from seeds, so that each can be sent again.

const { connect } = require('node:net')

const STRINGS = [
  '',
  'x',
  '\0',
  '\ud800',
  '\u202e\u0000\ufeff',
  'a'.repeat(5000),
  '😀'.repeat(2000),
  '../../etc/passwd',
  'file:///etc/passwd',
  'http://169.254.169.254/latest/meta-data',
  '{{7*7}}<script>alert(1)</script>',
  "'; DROP TABLE jobs; --",
  'data:image/png;base64,AAAA',
  '%s%n%x',
  '\r\nSet-Cookie: a=b',
  'true',
  '1e999',
  'a red circle',
]
const NUMBERS = [
  0,
  -0,
  1,
  -1,
  2,
  3,
  10,
  11,
  0.5,
  63,
  64,
  100,
  4096,
  4097,
  2 ** 31,
  2 ** 53,
  1e308,
  -1e308,
  5e-324,
]
const NAMES = [
  ...['prompt', 'n', 'size', 'model', 'stream', 'partial_images', 'response_format', 'output_format', 'user'],
  ...[
    'output_compression',
    'background',
    'quality',
    'wuerstchen',
    'negative_prompt',
    'seed',
    'width',
    'height',
  ],
  ...['prior_num_inference_steps', 'num_inference_steps', 'prior_timesteps', 'decoder_timesteps', 'priority'],
  ...[
    'prior_guidance_scale',
    'decoder_guidance_scale',
    'preview_every',
    '__proto__',
    'constructor',
    'toString',
  ],
]
/** What makes a picture quickly, to be spoilt. */
const GOOD = { prompt: 'a red circle' }
const OPTIONS = { width: 64, height: 64, prior_num_inference_steps: 2, num_inference_steps: 1 }

/** Numbers from 0 to 1 that depend on the seed alone (mulberry32). */
function random(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** One request as `fetch()` takes it. `jobs` are ids that exist, or did. */
function hostileRequest(seed, jobs = []) {
  const next = random(seed)
  const pick = (list) => list[Math.floor(next() * list.length)]
  const value = (depth = 0) => {
    const kind = next()
    if (kind < 0.3) return pick(STRINGS)
    if (kind < 0.6) return pick(NUMBERS)
    if (kind < 0.7) return pick([true, false, null])
    if (depth > 3) return null
    if (kind < 0.85) return Array.from({ length: Math.floor(next() * 5) }, () => value(depth + 1))
    return Object.fromEntries(
      Array.from({ length: Math.floor(next() * 4) }, () => [pick(NAMES), value(depth + 1)]),
    )
  }
  const spoilt = (body) => {
    const copy = { ...body }
    for (let times = Math.floor(next() * 3); times > 0; times--) copy[pick(NAMES)] = value()
    return copy
  }
  const body = () => {
    const kind = next()
    const options = spoilt(OPTIONS)
    if (kind < 0.1)
      return pick([
        '',
        '{',
        '[]',
        'null',
        '"x"',
        '{"prompt":}',
        '[[[[',
        '\ufeff{}',
        '{"prompt":"x"'.repeat(3),
      ])
    if (kind < 0.2) return '['.repeat(Math.floor(next() * 100_000))
    return JSON.stringify(
      next() < 0.5 ? { ...spoilt(GOOD), wuerstchen: options } : { ...spoilt(GOOD), ...options },
    )
  }
  const text = () => encodeURIComponent(JSON.stringify(value()))
  const id = () =>
    jobs.length > 0 && next() < 0.7
      ? pick(jobs)
      : encodeURIComponent(pick(['x', '..', '%', 'job_', '\0', 'a'.repeat(300)]))
  const [own, path] = pick([
    () => ['POST', '/v1/images/generations'],
    () => ['POST', '/v1/images/generations'],
    () => ['POST', '/v1/images/generations'],
    () => ['POST', '/v1/jobs'],
    () => ['POST', '/v1/jobs'],
    () => ['GET', `/v1/jobs?limit=${text()}&after=${text()}`],
    () => ['GET', `/v1/jobs/${id()}`],
    () => ['GET', `/v1/jobs/${id()}/events`],
    () => ['POST', `/v1/jobs/${id()}/cancel`],
    () => ['DELETE', `/v1/jobs/${id()}`],
    () => ['GET', `/v1/jobs/${id()}/images/${pick(['0', '1', '-1', '1e9', 'x', '%00'])}`],
    () => ['GET', `/v1/jobs/${id()}/images/0?signature=${pick(['', 'x', 'a'.repeat(200)])}`],
    () => ['POST', '/v1/images/edits'],
    () => ['PUT', '/v1/loras'],
    () => ['GET', `/v1/models/${text()}`],
    () => ['GET', `/${encodeURIComponent(pick(['..', '.git', 'assets', 'index.html']))}/${id()}`],
  ])()
  const method = next() < 0.9 ? own : pick(['POST', 'GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD'])
  const headers = {
    'content-type': pick([
      'application/json',
      'application/json',
      'application/json',
      'application/json',
      'application/json',
      'application/json',
      'application/json',
      'application/json; charset=utf-8',
      'text/plain',
      'application/xml',
      'multipart/form-data',
    ]),
  }
  if (next() < 0.1)
    headers[
      pick([
        'idempotency-key',
        'wuerstchen-timeout-ms',
        'last-event-id',
        'x-request-id',
        'traceparent',
        'authorization',
      ])
    ] = pick(['', '0', '-1', '1', '50', 'x', 'a'.repeat(2000), '00-00-00-00', 'Bearer x'])
  return { path, method, headers, ...(['GET', 'HEAD'].includes(method) ? {} : { body: body() }) }
}

/** Bytes for a bare connection. */
function hostileBytes(seed) {
  const next = random(seed)
  const pick = (list) => list[Math.floor(next() * list.length)]
  const noise = () =>
    Buffer.from(Array.from({ length: Math.floor(next() * 2000) }, () => Math.floor(next() * 256)))
  const ok = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n'
  return Buffer.concat(
    pick([
      () => [noise()],
      () => [Buffer.from(ok.repeat(1 + Math.floor(next() * 20))), noise()],
      () => [
        Buffer.from(
          `POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${pick(['-1', '1e3', '99999999999999999999', '5'])}\r\n\r\n{"a":`,
        ),
      ],
      () => [
        Buffer.from(
          'POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n',
        ),
        noise(),
      ],
      () => [
        Buffer.from(`GET /${'a'.repeat(Math.floor(next() * 40_000))} HTTP/1.1\r\nHost: localhost\r\n\r\n`),
      ],
      () => [Buffer.from(`GET / HTTP/${pick(['9.9', '0.9', '2.0', ''])}\r\n\r\n`)],
      () => [Buffer.from(`GET /healthz HTTP/1.1\r\n${'a: b\r\n'.repeat(Math.floor(next() * 5000))}\r\n`)],
      () => [Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]), noise()],
    ])(),
  )
}

/** Sends bytes and hangs up, orderly or not, once the server answered or after a moment. */
function sendBytes(port, bytes, host = '127.0.0.1') {
  return new Promise((resolve) => {
    const socket = connect(port, host)
    let answer = ''
    const timer = setTimeout(() => socket.destroy(), 200)
    socket.setEncoding('latin1')
    socket.on('connect', () => socket.write(bytes))
    socket.on('data', (data) => {
      if (answer.length < 10_000) answer += data
    })
    socket.on('error', () => undefined) // closed while we write
    socket.on('close', () => {
      clearTimeout(timer)
      resolve(answer)
    })
  })
}

module.exports = { hostileBytes, hostileRequest, random, sendBytes }
