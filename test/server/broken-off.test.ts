/** Clients that go away in the middle of a request: it is their doing, and raises no alert. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { serveFake, until } from '../support/http-server'
import { writtenLog } from '../support/written-log'

const HEAD = 'POST /v1/jobs HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n'

describe('a client that breaks off while it sends its body', () => {
  it.each([
    ['of a known length', `${HEAD}content-length: 400\r\n\r\n{"pro`],
    ['in chunks', `${HEAD}transfer-encoding: chunked\r\n\r\n5\r\n{"pro\r\n`],
  ])('%s has its one line in the log, and counts as its own fault', async (_what, text) => {
    const log = writtenLog()
    await using served = await serveFake({ logger: log.logger })
    const socket = connect(Number(new URL(served.url).port), '127.0.0.1')
    await once(socket, 'connect')
    const seen = new Promise((resolve) => served.server.app.server.once('request', resolve))
    socket.write(text)
    await seen
    socket.destroy()
    const ofRequest = () => log.lines().filter(({ msg }) => msg === 'request')
    await until(() => ofRequest().length > 0)
    expect(ofRequest()).toMatchObject([{ method: 'POST', route: '/v1/jobs', status: 499 }])
    expect(log.errors()).toEqual([])
    const metrics = await (await served.get('/metrics')).text()
    expect(metrics).not.toContain('ERR_WUERSTCHEN_INTERNAL')
    expect(metrics).toContain('wuerstchen_errors_total{code="invalid_request"} 1')
  })
})
