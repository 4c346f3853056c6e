import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseHubId } from '../../lib/hub/id'
import { hubSettings } from '../../lib/hub/settings'
import { writeFiles } from '../support/temporary-folder'

describe('hubSettings()', () => {
  const folder = mkdtempSync(join(tmpdir(), 'wuerstchen-test-'))
  beforeAll(() => writeFiles(folder, { token: ' hf_file \n' }))
  afterAll(() => rmSync(folder, { recursive: true }))

  it.each([
    [{}, { endpoint: 'https://huggingface.co', offline: false, silenceMs: 30_000 }],
    [{ HF_ENDPOINT: 'http://mirror:80/hub/' }, { endpoint: 'http://mirror:80/hub' }],
    [{ HF_TOKEN: 'hf_x ' }, { token: 'hf_x' }],
    [{ HF_TOKEN_PATH: join(folder, 'token') }, { token: 'hf_file' }],
    [{ HF_HOME: folder }, { token: 'hf_file', cacheDir: join(folder, 'hub') }],
    [{ HF_TOKEN: 'x', HF_HUB_DISABLE_IMPLICIT_TOKEN: '1' }, { token: null }],
    [{ HF_HUB_CACHE: '/c', HF_HOME: '/h' }, { cacheDir: '/c' }],
    [{ XDG_CACHE_HOME: '/x' }, { cacheDir: '/x/huggingface/hub', token: null }],
    [{ HF_HUB_OFFLINE: 'yes' }, { offline: true }],
    [{ HF_HUB_OFFLINE: '0' }, { offline: false }],
    [{ HF_HUB_DOWNLOAD_TIMEOUT: '7' }, { silenceMs: 7000 }],
  ])('reads %j', (env, settings) => expect(hubSettings({}, env)).toMatchObject(settings))

  it('lets options win', () => {
    const env = { HF_TOKEN: 'a', HF_HUB_CACHE: '/a', HF_HUB_OFFLINE: '1' }
    const options = { token: 'b', cacheDir: '/b', localFilesOnly: false }
    expect(hubSettings(options, env)).toMatchObject({ token: 'b', cacheDir: '/b', offline: false })
  })

  it('refuses an endpoint that is no address', () => {
    expect(() => hubSettings({}, { HF_ENDPOINT: 'mirror' })).toThrow(/HF_ENDPOINT/)
  })
})

describe('parseHubId()', () => {
  it.each([
    ['warp-ai/wuerstchen', { repository: 'warp-ai/wuerstchen', revision: 'main' }],
    ['a/b@refs/pr/1', { repository: 'a/b', revision: 'refs/pr/1' }],
  ])('reads %s', (text, id) => expect(parseHubId(text)).toEqual(id))

  it.each([
    'wuerstchen',
    './a/b',
    '../a',
    'a/..',
    'a/b/c',
    '/a/b',
    'a/b@../x',
    'a/b@',
    'a\\b',
    'a/b--c',
    '',
    'a/b@c@d',
  ])('takes %j for no id', (text) => expect(parseHubId(text)).toBeNull())
})
