/** docs/cli.md says what the command line says, and names every variable that is read. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { filesUnder, ROOT } from '../support/imports'
import { ensureDist, runCli } from '../support/node-process'

const page = readFileSync(join(ROOT, 'docs', 'cli.md'), 'utf8')
const VARIABLE = /\benv(?:ironment)?\.([A-Z][A-Z0-9_]+)|\[?'(WUERSTCHEN_[A-Z_]*[A-Z])'/g

describe('the page of the command line', () => {
  beforeAll(ensureDist)

  it('has the flags of --help', () => {
    const { status, stderr } = spawnSync(process.execPath, ['scripts/commands.mjs', '--check'], {
      cwd: ROOT,
      encoding: 'utf8',
    })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })

  it('names every command', () => {
    const names = Array.from(
      runCli(['--help']).stdout.matchAll(/^ {2}([a-z]+)(?= )/gm),
      ([, name = '']) => name,
    )
    expect(names).toContain('generate')
    for (const name of names.filter((one) => one !== 'help')) expect(page).toContain(`\`${name}`)
  })

  it('names every environment variable that lib/ reads', () => {
    const found = filesUnder('lib', '.ts').flatMap((file) =>
      Array.from(readFileSync(join(ROOT, file), 'utf8').matchAll(VARIABLE), (match) => match[1] ?? match[2]),
    )
    const variables = [...new Set(found)] as string[]
    expect(variables).toEqual(expect.arrayContaining(['WUERSTCHEN_CACHE', 'HF_TOKEN', 'WUERSTCHEN_LIBTORCH']))
    expect(variables.filter((name) => !page.includes(`\`${name}\``))).toEqual([])
  })
})
