/** How scripts/bootstrap.mjs tells whether the packages of a checkout are those of its lock file, with npm itself. */
import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ROOT } from '../../bench/support/reference'
import { folderOf, removeFolders, writeFiles } from '../support/temporary-folder'

const MODULE = pathToFileURL(join(ROOT, 'scripts/tooling/packages.mjs')).href
const DEPENDENCY = join('node_modules', 'dependency')

let folder: string

const npm = (...args: string[]) =>
  execFileSync('npm', [...args, '--offline', '--no-audit', '--no-fund'], { cwd: folder, encoding: 'utf8' })

/** A package of this version in the folder, which the checkout is to have from now on. */
function want(version: string): void {
  const made = folderOf({ 'package.json': { name: 'dependency', version } })
  execFileSync('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: made })
  const dependencies = { dependency: `file:dependency-${version}.tgz` }
  writeFiles(folder, { 'package.json': { name: 'checkout', version: '1.0.0', dependencies } })
  npm('install', '--package-lock-only')
}

function packagesMatch(): boolean {
  const code = `import { packagesMatch } from '${MODULE}'
    const once = packagesMatch(process.cwd())
    console.log(JSON.stringify([once, packagesMatch(process.cwd())]))`
  const told = execFileSync(process.execPath, ['--input-type=module', '-e', code], { cwd: folder })
  const [once, again] = JSON.parse(String(told)) as [boolean, boolean]
  expect(again).toBe(once)
  return once
}

describe('packagesMatch()', () => {
  beforeEach(() => {
    folder = folderOf({})
    want('1.0.0')
  })
  afterEach(removeFolders)

  it('is true once npm has installed them, and false when the lock file wants others', () => {
    expect(packagesMatch()).toBe(false)
    npm('ci')
    expect(packagesMatch()).toBe(true)
    want('2.0.0')
    expect(packagesMatch()).toBe(false)
    npm('ci')
    expect(packagesMatch()).toBe(true)
  })

  it('stays false where npm has only said what it would install', () => {
    npm('ci')
    want('2.0.0')
    npm('ci', '--dry-run')
    expect(packagesMatch()).toBe(false)
  })

  it('is false where a package was removed by hand', () => {
    npm('ci')
    rmSync(join(folder, DEPENDENCY), { recursive: true })
    expect(packagesMatch()).toBe(false)
  })
})
