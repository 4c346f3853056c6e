/** What HTTP itself has words for: methods, codings, charsets. */
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { type Answer, type Served, serveFake } from '../support/http-server'

const QUICK = { prompt: 'x', prior_num_inference_steps: 3, num_inference_steps: 2 }

const ask = async (served: Served, method: string, path: string) => {
  const response = await fetch(served.url + path, { method })
  return [response.status, response.headers.get('allow')]
}

describe('a known path', () => {
  it('answers 405 to another method, with those that it has', async () => {
    await using served = await serveFake()
    expect(await ask(served, 'DELETE', '/v1/images/generations')).toEqual([405, 'POST'])
    expect(await ask(served, 'PUT', '/v1/jobs?limit=2')).toEqual([405, 'GET, HEAD, POST'])
    expect(await ask(served, 'POST', '/v1/jobs/some-job')).toEqual([405, 'DELETE, GET, HEAD'])
    expect(await ask(served, 'GET', '/v1/jobs/some-job/cancel')).toEqual([405, 'POST'])
    expect(await ask(served, 'OPTIONS', '/v1/loras')).toEqual([405, 'PUT'])
    expect(await ask(served, 'POST', '/healthz')).toEqual([405, 'GET, HEAD'])
    const body = await (await served.get('/v1/loras')).json()
    expect(body.error).toMatchObject({
      code: 'method_not_allowed',
      type: 'invalid_request_error',
      message: 'Expected PUT for this path but received GET',
    })
  })

  it('is not one that is only alike', async () => {
    await using served = await serveFake()
    for (const path of ['/v1/jobs/', '/v1/jobs//cancel', '/v1/job', '/v1/jobs/a/b/c', '/*'])
      expect([path, ...(await ask(served, 'PUT', path))]).toEqual([path, 404, null])
  })
})

describe('a body', () => {
  const send = async (served: Served, headers: Record<string, string>, body: string | Uint8Array) => {
    const init = { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body }
    const response: Answer = await fetch(`${served.url}/v1/jobs`, init)
    const { error } = await response.json()
    return [response.status, error?.code, error?.param]
  }

  it.each(['gzip', 'br', 'deflate, gzip'])('is refused in the coding %s', async (coding) => {
    await using served = await serveFake()
    const refused = [415, 'unsupported_media_type', 'content-encoding']
    expect(await send(served, { 'content-encoding': coding }, gzipSync(JSON.stringify(QUICK)))).toEqual(
      refused,
    )
  })

  it.each(['iso-8859-1', '"utf-16"', 'UTF-7'])('is refused in the charset %s', async (charset) => {
    await using served = await serveFake()
    const type = { 'content-type': `application/json; charset=${charset}` }
    expect(await send(served, type, JSON.stringify(QUICK))).toEqual([
      415,
      'unsupported_media_type',
      'content-type',
    ])
  })

  it('is taken in UTF-8, as it is', async () => {
    await using served = await serveFake()
    for (const headers of [
      { 'content-type': 'application/json; charset="UTF-8"' },
      { 'content-type': 'application/json;charset=utf8' },
      { 'content-encoding': 'Identity' },
    ])
      expect((await send(served, headers, JSON.stringify(QUICK)))[0]).toBe(202)
  })
})

describe('a request that Node would refuse by itself', () => {
  /** What is answered until the connection is closed. */
  async function answerTo(served: Served, head: string) {
    const socket = connect(Number(new URL(served.url).port), '127.0.0.1')
    socket.write(`${head}\r\nConnection: close\r\n\r\n`)
    const [first = '', body = ''] = (await text(socket)).split('\r\n\r\n')
    const [status = '', ...headers] = first.split('\r\n')
    return { status: Number(status.split(' ')[1]), headers: headers.join('\n'), body: JSON.parse(body) }
  }

  it.each([
    ['Expect: foo', 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nExpect: foo', 417, 'expectation_failed'],
    ['Expect: foo at no path', 'GET /x HTTP/1.1\r\nHost: localhost\r\nExpect: 1', 417, 'expectation_failed'],
    ['no Host', 'GET /healthz HTTP/1.1', 400, 'invalid_request'],
    ['an empty Host', 'GET /healthz HTTP/1.1\r\nHost:', 400, 'invalid_request'],
    ['two Hosts', 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost', 400, 'invalid_request'],
  ])(
    "%s is answered in OpenAI's shape, with headers and a count as any other",
    async (_what, head, ...wanted) => {
      const [status, code] = wanted
      await using served = await serveFake()
      const answer = await answerTo(served, head)
      const param = status === 417 ? 'expect' : 'host'
      const error = { message: expect.any(String), type: 'invalid_request_error', param, code }
      expect([answer.status, answer.body]).toEqual([status, { error }])
      expect(answer.headers).toMatch(/^content-type: application\/json/m)
      expect(answer.headers).toMatch(/^x-request-id: /m)
      expect(answer.headers).toMatch(/^connection: close$/im)
      expect(await (await served.get('/metrics')).text()).toContain(
        `wuerstchen_errors_total{code="${code}"} 1`,
      )
    },
  )

  it('is refused without a Host behind a proxy that names one, too', async () => {
    await using served = await serveFake({ trustProxy: true })
    const head = 'GET /healthz HTTP/1.1\r\nX-Forwarded-Host: localhost'
    expect((await answerTo(served, head)).body.error).toMatchObject({
      param: 'host',
      code: 'invalid_request',
    })
  })

  it('is no request that expects 100-continue', async () => {
    await using served = await serveFake()
    const body = JSON.stringify(QUICK)
    const socket = connect(Number(new URL(served.url).port), '127.0.0.1')
    socket.write(
      `POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n`,
    )
    socket.once('data', () => socket.write(body))
    const answers = (await text(socket)).match(/^HTTP\/1.1 \d+/gm)
    expect(answers).toEqual(['HTTP/1.1 100', 'HTTP/1.1 202'])
  })
})

describe("options of OpenAI's clients", () => {
  it('may be null, every one that may be left out', async () => {
    await using served = await serveFake()
    const absent = { user: null, style: null, moderation: null, quality: null, background: null }
    const answer = await served.post('/v1/images/generations', { prompt: 'x', ...absent })
    expect([answer.status, (await answer.json()).error]).toEqual([200, undefined])
  })
})
