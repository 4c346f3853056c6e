/** What HTTP itself has words for: methods, codings, charsets. */
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

describe("options of OpenAI's clients", () => {
  it('may be null, every one that may be left out', async () => {
    await using served = await serveFake()
    const absent = { user: null, style: null, moderation: null, quality: null, background: null }
    const answer = await served.post('/v1/images/generations', { prompt: 'x', ...absent })
    expect([answer.status, (await answer.json()).error]).toEqual([200, undefined])
  })
})
