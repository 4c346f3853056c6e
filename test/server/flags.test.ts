/** What `wuerstchen serve` and `wuerstchen worker` say of their flags and settings. */
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { flagOf, newKey, SETTINGS, settingsRead } from '../../lib/server'
import { folderOf, removeFolders } from '../support/temporary-folder'
import { mistakesOf, run } from '../support/wuerstchen-run'

const QUEUE = ['--queue', 'redis://user:secret@broker:6379']

const settingsBy = async (...given: Parameters<typeof run>) => {
  const checking = run(...given)
  expect([await checking.ended, checking.err()]).toEqual([0, ''])
  return JSON.parse(checking.out())
}

describe('--check-config', () => {
  afterEach(removeFolders)

  it('prints the settings of a server', async () => {
    const settings = await settingsBy(['serve', '--check-config', '--max-queue', '7', '--web=false'])
    expect(settings).toMatchObject({ maxQueue: 7, host: '127.0.0.1', keys: [], web: false })
    expect(Object.keys(settings).filter((name) => !settingsRead('server').includes(name))).toEqual([])
  })

  it('prints the settings of a worker, without its password', async () => {
    const settings = await settingsBy(['worker', '--check-config', ...QUEUE, '--concurrency', '3'])
    expect(settings).toMatchObject({ queue: 'redis://…@broker:6379', concurrency: 3, maxAttempts: 3 })
    expect(Object.keys(settings).filter((name) => !settingsRead('worker').includes(name))).toEqual([])
    expect(JSON.stringify(settings)).not.toContain('secret')
  })

  it('takes for a worker the file and the environment of its servers', async () => {
    const { entry } = newKey('web')
    const file = join(
      folderOf({ 'server.json': { port: 80, host: '0.0.0.0', keys: [entry] } }),
      'server.json',
    )
    const environment = { WUERSTCHEN_SERVE_QUEUE: 'redis://broker', WUERSTCHEN_SERVE_MAX_QUEUE: '9' }
    const loras = ['--loras', '[{"path":"style.safetensors"}]']
    const settings = await settingsBy(['worker', '--check-config', '--config', file, ...loras], environment)
    expect(settings).toMatchObject({ host: '0.0.0.0', keys: ['web'], loras: [{ path: 'style.safetensors' }] })
  })

  it.each(['serve', 'worker'])('refuses a folder of pictures that %s cannot write', async (command) => {
    const folder = folderOf({ 'a-file': {} })
    const check = (store: string, ...options: [object?]) =>
      mistakesOf([command, '--check-config', ...QUEUE, '--store', store], {}, ...options)
    expect(await check(join(folder, 'a-file', 'pictures'))).toEqual([
      expect.stringMatching(
        /^Expected store to be a folder that can be written but received '.*': .*a-file is a file and no folder$/,
      ),
    ])
    expect(await check(join(folder, 'a-file'))).toEqual([
      expect.stringMatching(/a-file is a file and no folder$/),
    ])
    chmodSync(folder, 0o555)
    // Root may write everywhere: as nobody.
    const nobody = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}
    for (const store of [folder, join(folder, 'not', 'made', 'yet')])
      expect(await check(store, nobody)).toEqual([expect.stringMatching(/': EACCES: permission denied/)])
    chmodSync(folder, 0o777)
    const settings = await settingsBy(
      [command, '--check-config', ...QUEUE, '--store', join(folder, 'not', 'made')],
      {},
      nobody,
    )
    expect(settings.store).toBe(join(folder, 'not', 'made'))
  })
})

describe('mistakes of flags', () => {
  it('are told all at once, with those of settings and of the environment', async () => {
    const flags = [
      '--prot',
      '1',
      '--port',
      'x',
      '--host',
      '0.0.0.0',
      '8080',
      '--config',
      '--check-config',
      '-x',
    ]
    expect(await mistakesOf(['serve', ...flags, '--max-steps'], { WUERSTCHEN_SERVE_PROT: '1' })).toEqual([
      'Unknown flag --prot. Did you mean --port?',
      "Unexpected argument '8080': settings are flags, see --help",
      'Unknown flag -x.',
      'Expected a value after --config',
      'Expected a value after --max-steps',
      'Unknown variable WUERSTCHEN_SERVE_PROT. Did you mean WUERSTCHEN_SERVE_PORT?',
      "Expected port to be an integer but received 'x'",
      expect.stringContaining('without keys a server listens on a loopback address only'),
    ])
  })

  it('are told with what a worker lacks', async () => {
    expect(await mistakesOf(['worker', '--foo', '--port', '1', '--max-pixels', '-1'])).toEqual([
      'Unknown flag --foo.',
      'Expected no flag --port: a worker does not read it',
      expect.stringMatching(/^Expected maxPixels to be from 4096 to \d+ but received -1$/),
      expect.stringContaining('Expected queue (--queue) to be an address'),
    ])
  })

  it('leave --config no flag to read as a file', async () => {
    expect(await mistakesOf(['serve', '--config', '--check-config'])).toEqual([
      'Expected a value after --config',
    ])
  })

  it('do not hide a file that is none', async () => {
    const file = join(folderOf({}), 'server.json')
    writeFileSync(file, '{"port": "x", }')
    expect(await mistakesOf(['serve', '--foo', '--config', file])).toEqual([
      'Unknown flag --foo.',
      expect.stringMatching(/to be a JSON file/),
    ])
    removeFolders()
  })
})

describe('--help', () => {
  it.each([
    ['serve', 'server'],
    ['worker', 'worker'],
  ] as const)('of %s lists the settings that it reads, and no other', async (command, role) => {
    const helping = run([command, '--help'])
    expect(await helping.ended).toBe(0)
    const flags = [...helping.out().matchAll(/^ {2}(--[a-z-]+)/gm)].map(([, flag]) => flag)
    expect(flags).toEqual(['--config', '--check-config', ...settingsRead(role).map(flagOf)])
    expect(helping.out()).toMatch(/--config <file>/)
  })

  it.each(['serve', 'worker'])('is what help %s prints, too', async (command) => {
    const [asked, flagged] = [run(['help', command]), run([command, '--help'])]
    expect([await asked.ended, await flagged.ended]).toEqual([0, 0])
    expect(asked.out()).toBe(flagged.out())
    expect(asked.out()).toContain('--check-config')
  })

  it('of both together lists every setting', () => {
    const read = new Set([...settingsRead('server'), ...settingsRead('worker')])
    expect(SETTINGS.filter((name) => !read.has(name))).toEqual([])
    expect(settingsRead('worker')).not.toContain('port')
    expect(settingsRead('server')).not.toContain('concurrency')
  })
})
