/** The commands that errors advise, as they are typed, with npm and a registry of packages that have our names. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ROOT } from '../../bench/support/reference'
import { packageVersion } from '../../lib/files/package-root'
import { npmAgain, npmInstall } from '../../lib/libtorch/npm'
import { folderOf, removeFolders } from '../support/temporary-folder'

const OWN = `@wuerstchen/libtorch-${process.platform}-${process.arch}`
const FOREIGN = '@wuerstchen/libtorch-other'
const ADDON = 'node_modules/wuerstchen/prebuilds/loader.node'
const LIBTORCH = `node_modules/${OWN}/lib/libtorch.so`

let registry: ChildProcess
let environment: NodeJS.ProcessEnv

beforeAll(async () => {
  const tarballs = [
    packed({
      name: 'wuerstchen',
      optionalDependencies: { [OWN]: packageVersion(), [FOREIGN]: packageVersion() },
    }),
    packed({ name: OWN, os: [process.platform], cpu: [process.arch] }),
    packed({ name: FOREIGN, os: ['aix'], cpu: ['ppc64'] }),
  ]
  const code = `import { openStaticRegistry } from ${JSON.stringify(pathToFileURL(join(ROOT, 'scripts/release/static-registry.mjs')).href)}
    console.log((await openStaticRegistry(${JSON.stringify(tarballs)})).url)`
  registry = spawn(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const url = await new Promise<string>((done) =>
    registry.stdout?.once('data', (data) => done(`${data}`.trim())),
  )
  const home = folderOf({})
  environment = { ...process.env, HOME: home, npm_config_cache: join(home, 'npm'), npm_config_registry: url }
})
afterAll(() => {
  registry.kill()
  removeFolders()
})

function packed(manifest: Readonly<Record<string, unknown>>): string {
  const folder = folderOf({
    'package.json': { ...manifest, version: packageVersion() },
    'prebuilds/loader.node': 'whole',
    'lib/libtorch.so': 'whole',
  })
  return join(folder, execFileSync('npm', ['pack', '--silent'], { cwd: folder, encoding: 'utf8' }).trim())
}

/** A project of somebody's, in which npm has done `commands`. */
function project(...commands: string[]): string {
  const folder = folderOf({ 'package.json': { name: 'app', private: true } })
  for (const command of commands) type(command, folder)
  return folder
}

function type(command: string, folder: string): void {
  const { status, stdout, stderr } = spawnSync(command, {
    cwd: folder,
    env: environment,
    encoding: 'utf8',
    shell: true,
  })
  if (status !== 0) throw new Error(`${command} ended with ${status}:\n${stdout}${stderr}`)
}

function expectWhole(folder: string): void {
  for (const file of [ADDON, LIBTORCH]) expect(readFileSync(join(folder, file), 'utf8')).toBe('whole')
  // What other platforms could not install is not written into the project.
  const { dependencies, optionalDependencies } = JSON.parse(
    readFileSync(join(folder, 'package.json'), 'utf8'),
  )
  expect([Object.keys(dependencies), optionalDependencies]).toEqual([['wuerstchen'], undefined])
}

describe('the command for a platform package that is missing', () => {
  it.each([
    ['optional dependencies were left out', 'npm install --omit=optional wuerstchen'],
    ['node_modules is from another platform', 'npm install --os=aix --cpu=ppc64 wuerstchen'],
    ['the settings leave them out', 'echo omit=optional > .npmrc && npm install wuerstchen'],
  ])('mends it where %s', (_, installed) => {
    const folder = project(installed)
    expect(existsSync(join(folder, LIBTORCH))).toBe(false)
    type(npmInstall(), folder)
    expectWhole(folder)
  })

  it('mends it where the lock file does not have it', () => {
    const folder = project('npm install --os=aix --cpu=ppc64 wuerstchen')
    const lock = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8'))
    delete lock.packages[`node_modules/${OWN}`]
    writeFileSync(join(folder, 'package-lock.json'), JSON.stringify(lock))
    type(npmInstall(), folder)
    expectWhole(folder)
  })
})

describe('the command for files that are damaged', () => {
  it.each([
    ['with a lock file', 'npm install wuerstchen'],
    ['without one', 'npm install --no-package-lock wuerstchen'],
  ])('mends them %s', (_, installed) => {
    const folder = project(installed)
    for (const file of [ADDON, LIBTORCH]) writeFileSync(join(folder, file), 'cut')
    const [, what = '', command = ''] = /^Remove (\S+), and install again: (.*)$/.exec(npmAgain()) ?? []
    rmSync(join(folder, what), { recursive: true })
    type(command, folder)
    expectWhole(folder)
  })
})
