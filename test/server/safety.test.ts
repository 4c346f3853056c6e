import { connect, type Socket } from 'node:net'
import { newKey } from '../../lib/server'
import { gate, serveFake, until } from '../support/http-server'

const [alice, bob] = [newKey('alice'), newKey('bob')]
const bearer = ({ key }: { key: string }) => ({ authorization: `Bearer ${key}` })
const QUICK = { prompt: 'x', prior_num_inference_steps: 3, num_inference_steps: 2 }

describe('API keys', () => {
  it('are asked for everywhere but at health and the document', async () => {
    await using served = await serveFake({ keys: [alice.entry] })
    for (const path of ['/v1/jobs', '/v1/models', '/v1/info', '/v1/jobs/x', '/v1/jobs/x/images/0']) {
      const response = await served.get(path)
      expect([path, response.status]).toEqual([path, 401])
      expect((await response.json()).error).toMatchObject({
        type: 'authentication_error',
        code: 'invalid_api_key',
      })
    }
    for (const path of ['/healthz', '/readyz', '/openapi.json'])
      expect([path, (await served.get(path)).status]).toEqual([path, 200])
    expect((await served.post('/v1/jobs', QUICK)).status).toBe(401)
  })

  it.each([
    ['another key', bearer(bob)],
    ['a prefix of it', { authorization: `Bearer ${alice.key.slice(0, -1)}` }],
    ['its hash', { authorization: `Bearer ${alice.entry.sha256}` }],
    ['another scheme', { authorization: `Basic ${alice.key}` }],
    ['a very long one', { authorization: `Bearer ${'k'.repeat(8000)}` }],
  ])('let nobody in by %s', async (_what, headers) => {
    await using served = await serveFake({ keys: [alice.entry] })
    expect((await served.get('/v1/models', headers)).status).toBe(401)
    expect((await served.get('/v1/models', bearer(alice))).status).toBe(200)
  })

  it('own their jobs: another key neither sees, follows, cancels nor fetches them', async () => {
    await using served = await serveFake({ keys: [alice.entry, bob.entry] })
    const job = await (await served.post('/v1/jobs', QUICK, bearer(alice))).json()
    await (await served.get(`/v1/jobs/${job.id}/events`, bearer(alice))).text()
    for (const path of ['', '/events', '/images/0'])
      expect((await served.get(`/v1/jobs/${job.id}${path}`, bearer(bob))).status).toBe(404)
    expect((await served.post(`/v1/jobs/${job.id}/cancel`, undefined, bearer(bob))).status).toBe(404)
    expect((await (await served.get('/v1/jobs', bearer(bob))).json()).data).toEqual([])
    const done = await (await served.get(`/v1/jobs/${job.id}`, bearer(alice))).json()
    expect((await fetch(done.images[0].url)).status).toBe(200)
  })

  it('have their own priority, limits and rights', async () => {
    const keys = [
      { ...alice.entry, priority: 3, maxJobs: 1 },
      { ...bob.entry, requestsPerMinute: 2, admin: true },
    ]
    await using served = await serveFake({ keys })
    const hold = gate(served.device)
    const first = await (await served.post('/v1/jobs', { ...QUICK, priority: 9 }, bearer(alice))).json()
    expect(first.request.priority).toBe(3)
    const second = await served.post('/v1/jobs', QUICK, bearer(alice))
    expect(second.status).toBe(429)
    expect(Number(second.headers.get('retry-after'))).toBeGreaterThan(0)
    hold.open()
    const put = (who: { key: string }) =>
      fetch(`${served.url}/v1/loras`, {
        method: 'PUT',
        headers: { ...bearer(who), 'content-type': 'application/json' },
        body: '{"none":1}',
      })
    expect((await put(alice)).status).toBe(403)
    expect((await put(bob)).status).toBe(400)
    expect((await served.get('/v1/models', bearer(bob))).status).toBe(200)
    const limited = await served.get('/v1/models', bearer(bob))
    expect(limited.status).toBe(429)
    expect((await limited.json()).error.code).toBe('rate_limit_exceeded')
    expect(Number(limited.headers.get('retry-after'))).toBeGreaterThan(0)
    expect((await served.get('/v1/models', bearer(alice))).status).toBe(200)
  })
})

describe('a server without keys', () => {
  it('answers nobody who came by another name, and no other web page', async () => {
    await using served = await serveFake()
    const { port } = new URL(served.url)
    const ask = (headers: string) =>
      raw(Number(port), `GET /v1/models HTTP/1.1\r\n${headers}connection: close\r\n\r\n`)
    expect(await ask('Host: localhost\r\n')).toMatch(/^HTTP\/1.1 200/)
    expect(await ask('Host: evil.example\r\n')).toMatch(/^HTTP\/1.1 403/)
    expect(await ask(`Host: 127.0.0.1:${port}\r\nOrigin: https://evil.example\r\n`)).toMatch(/^HTTP\/1.1 403/)
    expect(await ask(`Host: 127.0.0.1:${port}\r\nOrigin: http://127.0.0.1:${port}\r\n`)).toMatch(
      /^HTTP\/1.1 200/,
    )
  })
})

describe('a server with keys', () => {
  it('puts nothing into addresses that is no name of a server', async () => {
    await using served = await serveFake({ keys: [alice.entry], trustProxy: true })
    const { port } = new URL(served.url)
    const ask = (headers: string) =>
      raw(
        Number(port),
        `GET /v1/models HTTP/1.1\r\n${headers}authorization: Bearer ${alice.key}\r\nconnection: close\r\n\r\n`,
      )
    expect(await ask('Host: pictures.example:8080\r\n')).toMatch(/^HTTP\/1.1 200/)
    expect(await ask('Host: [::1]:8080\r\n')).toMatch(/^HTTP\/1.1 200/)
    expect(await ask('Host: evil.org"><x\r\n')).toMatch(/^HTTP\/1.1 400/)
    expect(await ask('Host: a\r\nX-Forwarded-Host: a b<script>\r\n')).toMatch(/^HTTP\/1.1 400/)
    expect(await ask('Host: a\r\nX-Forwarded-Proto: javascript\r\n')).toMatch(/^HTTP\/1.1 400/)
  })
})

describe('requests', () => {
  it('are JSON or nothing, and no larger than allowed', async () => {
    await using served = await serveFake({ maxBodyBytes: 2000 })
    const send = (type: string, body: string) =>
      fetch(`${served.url}/v1/jobs`, { method: 'POST', headers: { 'content-type': type }, body })
    expect((await send('text/plain', JSON.stringify(QUICK))).status).toBe(415)
    expect((await send('application/x-www-form-urlencoded', 'prompt=x')).status).toBe(415)
    expect((await send('multipart/form-data; boundary=x', '--x--')).status).toBe(415)
    expect((await send('application/json', 'prompt')).status).toBe(400)
    expect((await send('application/json', '[]')).status).toBe(400)
    expect((await send('application/json', '{"prompt":"x","__proto__":{"n":2}}')).status).toBe(400)
    expect((await send('application/json', '{"prompt":"x","constructor":{"prototype":{}}}')).status).toBe(400)
    expect((await send('application/json', JSON.stringify({ prompt: 'x'.repeat(3000) }))).status).toBe(413)
    expect((await send('application/json', '')).status).toBe(400)
    expect((await send('application/json; charset=utf-8', JSON.stringify(QUICK))).status).toBe(202)
  })

  it('stay within the limits of the configuration', async () => {
    await using served = await serveFake({
      maxPromptCharacters: 10,
      maxPixels: 64 * 128,
      maxSteps: 5,
      maxImages: 2,
    })
    const refused = [
      { prompt: 'x'.repeat(11) },
      { prompt: 'x', negative_prompt: 'x'.repeat(11) },
      { prompt: 'x', width: 128, height: 128 },
      { prompt: 'x', prior_num_inference_steps: 6 },
      { prompt: 'x', num_inference_steps: 6 },
      { prompt: 'x', prior_timesteps: [1, 0.9, 0.8, 0.7, 0.6, 0.5, 0] },
      { prompt: 'x', n: 3 },
      { prompt: '\ud800' },
      { prompt: 'x', negative_prompt: 'a \udc00' },
    ]
    for (const body of refused) {
      const response = await served.post('/v1/jobs', body)
      expect([body, response.status]).toEqual([body, 400])
    }
    expect((await served.post('/v1/jobs', { prompt: 'x', width: 64, height: 128, n: 2 })).status).toBe(202)
  })

  it.each([
    ['half a surrogate pair', { prompt: '\ud800' }],
    ['a seed beyond the safe integers', { prompt: 'x', seed: 2 ** 60 }],
    ['a fraction of a picture', { prompt: 'x', n: 1.5 }],
    ['a number as text', { prompt: 'x', n: '2' }],
    ['an object as a prompt', { prompt: { toString: 'x' } }],
    ['null', null],
  ])('are refused with %s', async (_what, body) => {
    await using served = await serveFake()
    expect((await served.post('/v1/jobs', body)).status).toBe(400)
  })

  it('find no model by a path', async () => {
    await using served = await serveFake()
    const { status } = await served.post('/v1/jobs', { prompt: 'x', model: '/etc/passwd' })
    expect(status).toBe(404)
  })

  it.each([
    '/../../etc/passwd',
    '/%2e%2e/%2e%2e/etc/passwd',
    '/assets/..%2f..%2fpackage.json',
    '//etc/passwd',
    '/v1/jobs/%00',
  ])('reach no file by %s', async (path) => {
    await using served = await serveFake()
    const { port } = new URL(served.url)
    const answer = await raw(
      Number(port),
      `GET ${path} HTTP/1.1\r\nHost: localhost\r\nconnection: close\r\n\r\n`,
    )
    expect(answer).toMatch(/^HTTP\/1.1 40[04]/)
    expect(answer).not.toMatch(/root:|"dependencies"/)
  })
})

describe('answers', () => {
  it('carry security headers and a request id', async () => {
    await using served = await serveFake()
    const { headers } = await served.get('/v1/models', { 'x-request-id': 'mine-17' })
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(headers.get('x-frame-options')).toBe('DENY')
    expect(headers.get('cache-control')).toBe('no-store')
    expect(headers.get('x-request-id')).toBe('mine-17')
    expect(
      (await served.get('/v1/models', { 'x-request-id': 'a b\t{}' })).headers.get('x-request-id'),
    ).toMatch(/^[\w-]{36}$/)
  })

  it('allow no other origin by default, and those that are configured', async () => {
    await using closed = await serveFake({ keys: [alice.entry] })
    const origin = { origin: 'https://page.example', ...bearer(alice) }
    expect((await closed.get('/v1/models', origin)).headers.get('access-control-allow-origin')).toBeNull()
    await using open = await serveFake({ keys: [alice.entry], cors: ['https://page.example'] })
    expect((await open.get('/v1/models', origin)).headers.get('access-control-allow-origin')).toBe(
      'https://page.example',
    )
    const preflight = await fetch(`${open.url}/v1/jobs`, {
      method: 'OPTIONS',
      headers: { origin: 'https://page.example', 'access-control-request-method': 'POST' },
    })
    expect(preflight.status).toBe(204)
    const other = await open.get('/v1/models', { origin: 'https://evil.example', ...bearer(alice) })
    expect(other.headers.get('access-control-allow-origin')).toBeNull()
  })

  it('tell nothing of an error that is not ours', async () => {
    await using served = await serveFake()
    served.device.before = () => {
      throw new Error('/home/someone/secret.safetensors is broken')
    }
    const response = await served.post('/v1/images/generations', { prompt: 'x' })
    expect(await response.text()).not.toContain('secret')
    expect(response.status).toBe(500)
  })
})

describe('connections', () => {
  it('that send nothing, or half a request, are closed in time', async () => {
    await using served = await serveFake({ headerTimeoutSeconds: 1, bodyTimeoutSeconds: 2 })
    const port = Number(new URL(served.url).port)
    const started = Date.now()
    const slow = await Promise.all([
      closed(port, 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n'),
      closed(
        port,
        'POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{',
      ),
    ])
    expect(Date.now() - started).toBeLessThan(15_000)
    for (const answer of slow) expect(answer).toMatch(/^(HTTP\/1.1 408[\s\S]*)?$/)
    expect((await served.get('/healthz')).status).toBe(200)
  })

  it('that send garbage are answered 400 and closed; the server lives', async () => {
    await using served = await serveFake()
    const port = Number(new URL(served.url).port)
    const garbage = [
      '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', // a TLS hello
      'GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
      `GET / HTTP/1.1\r\nHost: localhost\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`,
      `${'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(50)}\0\0\0garbage\r\n\r\n`,
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    ]
    for (const bytes of garbage) expect(await closed(port, bytes)).toMatch(/HTTP\/1.1 4\d\d|^$/)
    expect((await served.get('/healthz')).status).toBe(200)
  })

  it('that vanish end their jobs', async () => {
    await using served = await serveFake()
    const hold = gate(served.device)
    const body = JSON.stringify({ prompt: 'x' })
    const head = `POST /v1/images/generations HTTP/1.1\r\nHost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`
    const socket = connect(Number(new URL(served.url).port), '127.0.0.1')
    socket.write(head + body)
    await hold.reached
    socket.destroy()
    await until(async () => (await served.server.backend.statistics()).canceled === 1)
    hold.open()
  })
})

/** What the server answers until it closes the connection. */
function raw(port: number, bytes: string): Promise<string> {
  return closed(port, bytes)
}

function closed(port: number, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = ''
    const socket: Socket = connect(port, '127.0.0.1', () => socket.write(bytes, 'latin1'))
    socket.setEncoding('latin1')
    socket.on('data', (data) => {
      answer += data
    })
    socket.on('error', () => undefined) // closed while we write
    socket.on('close', () => resolve(answer))
  })
}
