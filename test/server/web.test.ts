import { gunzipSync } from 'node:zlib'
import fastify from 'fastify'
import { registerWeb } from '../../lib/server/web'
import { folderOf, removeFolders } from '../support/temporary-folder'

afterEach(removeFolders)

const PAGE = '<!doctype html><title>wuerstchen</title>'

async function pageOf(files: Record<string, string>) {
  const app = fastify()
  registerWeb(app, folderOf(files))
  await app.ready()
  return app
}

describe('registerWeb()', () => {
  it("serves the page at '/' and its files, gzipped where the client takes it", async () => {
    const app = await pageOf({ 'index.html': PAGE, 'assets/main-4f2a.js': 'go()', 'icon.svg': '<svg/>' })
    const page = await app.inject('/')
    expect([page.statusCode, page.body]).toEqual([200, PAGE])
    expect(page.headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-cache',
    })
    expect(page.headers['content-security-policy']).toContain("script-src 'self'")
    const script = await app.inject({
      url: '/assets/main-4f2a.js',
      headers: { 'accept-encoding': 'br, gzip' },
    })
    expect(gunzipSync(script.rawPayload).toString()).toBe('go()')
    expect(script.headers['cache-control']).toContain('immutable')
    expect((await app.inject('/icon.svg')).headers['content-type']).toContain('image/svg+xml')
    await app.close()
  })

  it('sends nothing to a client that has it', async () => {
    const app = await pageOf({ 'index.html': PAGE })
    const { headers } = await app.inject('/')
    const again = await app.inject({ url: '/', headers: { 'if-none-match': String(headers.etag) } })
    expect([again.statusCode, again.body]).toEqual([304, ''])
    await app.close()
  })

  it('serves nothing else, and nothing at all where the page is not built', async () => {
    const app = await pageOf({ 'index.html': PAGE, 'main.js.map': '{}', '.env': 'SECRET=1' })
    for (const url of ['/main.js.map', '/.env', '/../package.json', '/assets/', '/%2e%2e/package.json'])
      expect([url, (await app.inject(url)).statusCode]).toEqual([url, 404])
    await app.close()
    const empty = await pageOf({ 'other.txt': 'x' })
    expect((await empty.inject('/')).statusCode).toBe(404)
    expect((await empty.inject('/other.txt')).statusCode).toBe(404)
    await empty.close()
  })
})
