import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TSchema } from '@sinclair/typebox'
import ts from 'typescript'
import { ROOT } from '../../bench/support/reference'
import {
  createServer,
  flagOf,
  newKey,
  readConfig,
  SETTINGS,
  ServerConfig,
  type ServerSettings,
  variableOf,
} from '../../lib/server'
import { parsed } from '../support/prose'
import { folderOf, removeFolders } from '../support/temporary-folder'

afterEach(removeFolders)

const fileOf = (settings: object) => join(folderOf({ 'server.json': settings }), 'server.json')
const mistakesOf = (sources: Parameters<typeof readConfig>[0]): readonly string[] => {
  try {
    readConfig(sources)
  } catch (error) {
    return (error as { details: { mistakes: string[] } }).details.mistakes
  }
  return []
}

describe('readConfig()', () => {
  it('fills in defaults', () => {
    expect(readConfig()).toMatchObject({ host: '127.0.0.1', port: 8080, keys: [], maxQueue: 256 })
  })

  it('takes the file, over it the environment, over that the flags', () => {
    const file = fileOf({ port: 1, maxQueue: 1, maxSteps: 1 })
    const environment = { WUERSTCHEN_SERVE_MAX_QUEUE: '2', WUERSTCHEN_SERVE_MAX_STEPS: '2', PATH: '/bin' }
    const config = readConfig({ file, environment, flags: { maxSteps: '3' } })
    expect([config.port, config.maxQueue, config.maxSteps]).toEqual([1, 2, 3])
  })

  it('reads text as what the setting is', () => {
    const { entry } = newKey('web')
    const environment = {
      WUERSTCHEN_SERVE_KEYS: JSON.stringify([entry]),
      WUERSTCHEN_SERVE_CORS: 'https://a.example, https://b.example',
      WUERSTCHEN_SERVE_WEB: 'false',
      WUERSTCHEN_SERVE_MODEL: '',
    }
    expect(readConfig({ environment })).toMatchObject({
      keys: [entry],
      cors: ['https://a.example', 'https://b.example'],
      web: false,
    })
    expect(readConfig({ environment })).not.toHaveProperty('model')
  })

  it('names every mistake of every source at once', () => {
    const mistakes = mistakesOf({
      file: fileOf({ prot: 1, keys: [{ name: 'a b', sha256: 'x' }] }),
      environment: { WUERSTCHEN_SERVE_MAX_QEUE: '1', WUERSTCHEN_SERVE_PORT: 'x' },
      flags: { host: '0.0.0.0', dtype: 'float8', maxSteps: 0 },
    })
    expect(mistakes).toEqual([
      'Unknown variable WUERSTCHEN_SERVE_MAX_QEUE. Did you mean WUERSTCHEN_SERVE_MAX_QUEUE?',
      expect.stringMatching(/^Unknown option 'prot'\. Did you mean 'port'\?$/),
      expect.stringMatching(/^Expected port to be an integer but received 'x'$/),
      expect.stringMatching(/^Expected keys\[0\]\.name to be 1 to 64 letters, .* but received 'a b'$/),
      expect.stringMatching(/^Expected keys\[0\]\.sha256 to be a SHA-256 hash of 64 hexadecimal digits but/),
      expect.stringMatching(/^Expected dtype to be one of auto, .* but received 'float8'$/),
      expect.stringMatching(/^Expected maxSteps to be from 1 to 1000 but received 0$/),
    ])
  })

  it('names an option within another by its place, and formats in words', () => {
    const entry = { ...newKey('web').entry, id: 1 }
    const mistakes = mistakesOf({ file: fileOf({ keys: [entry], publicUrl: 'x', cors: ['x'] }) })
    expect(mistakes).toHaveLength(3)
    expect(mistakes).toContain("Unknown option 'keys[0].id'.")
    expect(mistakes).not.toContainEqual(expect.stringMatching(/text like|\^/))
  })

  it('reads a file with a byte order mark', () => {
    const file = fileOf({ port: 7 })
    writeFileSync(file, `\uFEFF${readFileSync(file, 'utf8')}`)
    expect(readConfig({ file }).port).toBe(7)
  })

  it.each(['0.0.0.0', '::', '192.168.1.2', 'example.org'])('asks for keys to listen on %s', (host) => {
    expect(mistakesOf({ flags: { host } })).toEqual([expect.stringContaining('without keys')])
    expect(mistakesOf({ flags: { host, keys: [newKey('web').entry] } })).toEqual([])
  })

  it.each(['127.0.0.1', '127.1.2.3', '::1', 'localhost'])('asks for none on %s', (host) => {
    expect(mistakesOf({ flags: { host } })).toEqual([])
  })

  it('refuses what stands for something that nobody has put in yet', () => {
    const keys = [{ name: 'web', sha256: '0'.repeat(64) }]
    expect(mistakesOf({ flags: { keys } })).toEqual([expect.stringContaining('is a placeholder')])
    const urlSecret = 'replace-me-by-64-random-hex-digits'
    expect(mistakesOf({ flags: { urlSecret } })).toEqual([expect.stringContaining('is a placeholder')])
    expect(mistakesOf({ flags: { store: 's3://' } })).toEqual([expect.stringContaining('to name a bucket')])
  })

  it.each([
    ['redis://h:6379/abc', "its database 'abc' is no number from 0"],
    ['redis://h:6379/-1', "its database '-1' is no number from 0"],
    ['redis://h?db=x', "its database 'x' is no number from 0"],
    ['redis://h:70000', 'its port 70000 is not from 1 to 65535'],
    ['redis://h:0', 'its port 0 is not from 1 to 65535'],
    ['redis://[::1', 'it is no URL'],
    ['redis:///', 'it names no host'],
    ['redis:///0', 'it names no host'],
    ['unix://run/redis.sock', 'it names no socket'],
    ['http://h:6379', 'it does not begin with redis://'],
    ['redis://:pa/ss@h:6379', 'Characters of a password'],
  ])('refuses the broker %s', (queue, reason) => {
    for (const role of ['server', 'worker'] as const) {
      const [mistake = '', ...others] = mistakesOf({ flags: { queue }, role })
      expect(others).toEqual([])
      expect(mistake).toMatch(/^Expected queue to be an address such as .* but received '/)
      expect(mistake).toContain(reason)
      expect(mistake).not.toContain('pa/ss')
    }
  })

  it.each(['redis://h', 'rediss://:a%2Fb@h:6380/15', 'redis://[::1]:6379/0', 'unix:///run/redis.sock?db=2'])(
    'takes the broker %s',
    (queue) => {
      for (const role of ['server', 'worker'] as const)
        expect(readConfig({ flags: { queue }, role }).queue).toBe(queue)
    },
  )

  it('refuses two keys of one name, a file that is none, and what is no JSON', () => {
    const keys = [newKey('web').entry, newKey('web').entry]
    expect(mistakesOf({ flags: { keys } })).toEqual([expect.stringContaining("'web' is there twice")])
    expect(mistakesOf({ file: '/nowhere.json' })).toEqual([expect.stringContaining('/nowhere.json')])
    expect(mistakesOf({ file: fileOf([]) })).toEqual([expect.stringContaining('to hold an object')])
  })
})

describe('createServer()', () => {
  it('refuses settings that it does not know', async () => {
    await expect(createServer({ maxQeue: 3 } as object)).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_INVALID_ARGUMENT',
    })
  })
})

describe('createServer()', () => {
  it('leaves a queue to createQueueServer()', async () => {
    await expect(createServer({ queue: 'redis://broker:6379' })).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_INVALID_ARGUMENT',
      message: expect.stringContaining('createQueueServer'),
    })
  })
})

describe('docs/server.md', () => {
  const guide = readFileSync(join(ROOT, 'docs', 'server.md'), 'utf8')
  const [, settings = ''] = guide.split('## Settings')

  it('has every setting with its flag, variable and default', () => {
    for (const name of SETTINGS) {
      const { default: standard } = ServerConfig.properties[name as keyof typeof ServerConfig.properties]
      const shown = standard === undefined || Array.isArray(standard) ? '' : `\`${standard}\``
      const row = settings.split('\n').find((line) => line.startsWith(`| \`${name}\` |`))
      expect([name, row]).toEqual([name, expect.stringContaining(`| ${shown} |`)])
    }
    expect(guide).toContain(flagOf('maxQueue'))
    expect(guide).toContain(variableOf('maxQueue'))
  })

  it('has every error code of the server', () => {
    const { HTTP_ERRORS, STATUS_OF_CODE } =
      require('../../lib/server/errors') as typeof import('../../lib/server/errors')
    for (const [code, { status }] of Object.entries({ ...HTTP_ERRORS, ...STATUS_OF_CODE }))
      expect(guide).toContain(`| \`${code}\` | ${status} |`)
  })
})

describe('ServerSettings', () => {
  // Compiled only where each takes what the other does.
  const asSettings = (config: Partial<ServerConfig>): ServerSettings => config
  const asConfig = (settings: ServerSettings): { readonly [Name in keyof ServerConfig]?: unknown } => settings

  it('shows of every setting what it is, its range and its default', () => {
    expect([asSettings({}), asConfig({})]).toEqual([{}, {}])
    const [declaration] = parsed('lib/server/config/settings.ts').statements.filter(ts.isInterfaceDeclaration)
    const shown = (declaration?.members ?? []).map((member) => {
      const comment = ts.getJSDocCommentsAndTags(member).map((one) => one.comment)
      return [member.name?.getText(), String(comment).replaceAll(/\s+/g, ' ')]
    })
    const wanted = Object.entries(ServerConfig.properties).map(([name, schema]) => [name, docOf(schema)])
    expect(Object.fromEntries(shown)).toEqual(Object.fromEntries(wanted))
    expect(shown).toHaveLength(SETTINGS.length)
  })
})

/** As docs/server.md has it, with the default at the end. */
function docOf(schema: TSchema): string {
  const { description = '', minimum, maximum, default: standard } = schema
  const range =
    minimum === undefined ? '' : ` ${minimum.toLocaleString('en')} to ${maximum.toLocaleString('en')}.`
  const shown = standard === undefined || Array.isArray(standard) ? '' : ` Defaults to \`${standard}\`.`
  return `${description.replace(/(?<!\.)$/, '.')}${range}${shown}`
}
