import { createServer as createTcpServer } from 'node:net'
import { createServer, newKey } from '../../lib/server'
import { listenError } from '../../lib/server/listen'
import { fakePipeline } from '../support/fake-pipeline'

const refusalOf = async (settings: object) => {
  const { pipeline } = fakePipeline()
  await using server = await createServer({ logLevel: 'silent', pipeline, ...settings })
  return server.listen().then(
    () => null,
    (error: unknown) => error,
  )
}

describe('Server#listen()', () => {
  it('names host, port and what to do where the port is taken', async () => {
    const other = createTcpServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => other.once('listening', resolve))
    const { port } = other.address() as { port: number }
    expect(await refusalOf({ port })).toMatchObject({
      code: 'ERR_WUERSTCHEN_LISTEN_FAILED',
      message: `Expected port ${port} of 127.0.0.1 to be free but another program has it. Stop that one, or choose another port (--port).`,
      details: { host: '127.0.0.1', port, setting: 'port' },
      cause: { code: 'EADDRINUSE' },
    })
    other.close()
  })

  it.each([
    ['a host that is unknown', 'nowhere.invalid', "the name 'nowhere.invalid' is unknown. Set host (--host)"],
    // An address of documentation: no machine has it.
    ['an address of another machine', '192.0.2.1', 'does not have the address 192.0.2.1. Set host (--host)'],
  ])('refuses %s', async (_what, host, message) => {
    expect(await refusalOf({ port: 0, host, keys: [newKey('web').entry] })).toMatchObject({
      code: 'ERR_WUERSTCHEN_LISTEN_FAILED',
      message: expect.stringContaining(message),
    })
  })
})

describe('listenError()', () => {
  // Who runs the tests may listen anywhere, perhaps.
  it('says what gives the right to a port', () => {
    const denied = Object.assign(new Error('listen EACCES'), { code: 'EACCES' })
    const error = listenError({ host: '0.0.0.0', port: 80, setting: 'workerPort' }, denied)
    expect(error).toMatchObject({
      code: 'ERR_WUERSTCHEN_LISTEN_FAILED',
      message:
        'Expected to listen on port 80 of 0.0.0.0 but this user may not. Choose a workerPort (--worker-port) from 1024 on, or give the process the right: CAP_NET_BIND_SERVICE.',
      cause: denied,
    })
  })

  it('tells what else the system says', () => {
    const other = Object.assign(new Error('too many'), { code: 'EMFILE' })
    expect(listenError({ host: '::1', port: 1, setting: 'port' }, other)).toMatchObject({
      message: 'Expected to listen on port 1 of ::1 but received EMFILE: too many',
    })
  })
})
