/**
 * Makes the package `wuerstchen` as a folder: what `npm pack` takes of the checkout, the native parts of every target that
 * was collected, and the platform packages of libtorch as optional dependencies. The checkout itself has neither:
 * prebuilt parts would hide what a contributor builds, and npm would fetch a libtorch that is not used.
 */
import { execFileSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { at, ROOT } from '../tooling/places.mjs'
import { checkoutManifest } from './manifest.mjs'
import { LIBTORCH, libtorchPackage, NPM, PACKAGES, PREBUILDS, TARGETS } from './places.mjs'

/** Targets for which no native parts were collected. A release lacks none. */
export function missingTargets() {
  const collected = existsSync(PREBUILDS) ? readdirSync(PREBUILDS) : []
  return TARGETS.filter((target) => !collected.includes(target))
}

/** Makes the folder anew, of this version or another one. */
export function makeMainPackage(version = checkoutManifest().version) {
  const folder = join(PACKAGES, 'wuerstchen')
  rmSync(folder, { recursive: true, force: true })
  for (const path of filesOfCheckout()) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    if (path !== 'package.json') linkSync(at(path), join(folder, path))
  }
  for (const target of TARGETS) {
    const collected = join(PREBUILDS, target)
    if (existsSync(collected)) cpSync(collected, join(folder, 'prebuilds', target), { recursive: true })
  }
  mkdirSync(join(folder, 'prebuilds'), { recursive: true })
  writeFileSync(join(folder, 'prebuilds', 'LICENSES.txt'), licensesOfHeaders())
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(publishedManifest(version), null, 2)}\n`)
  return folder
}

/** What the addons were compiled with, and so contain. */
function licensesOfHeaders() {
  const headers = {
    'node-addon-api': at('node_modules', 'node-addon-api', 'LICENSE.md'),
    'node-api-headers': at('node_modules', 'node-api-headers', 'LICENSE'),
    libtorch: at('packages', 'libtorch', 'licenses', 'pytorch.txt'),
  }
  const texts = Object.entries(headers).map(
    ([name, file]) => `${name}\n\n${readFileSync(file, 'utf8').trim()}\n`,
  )
  return texts.join(`\n${'='.repeat(100)}\n\n`)
}

/** `files` of package.json, as npm understands it. */
export function filesOfCheckout() {
  const listed = execFileSync(process.execPath, [NPM, 'pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const [{ files }] = Object.values(JSON.parse(listed)) // npm 12 answers with an object
  return files.map(({ path }) => path).filter((path) => !path.startsWith('prebuilds/'))
}

function publishedManifest(version) {
  const { scripts: _, devDependencies: __, overrides: ___, ...manifest } = checkoutManifest()
  const libtorch = TARGETS.map((target) => [libtorchPackage(target), LIBTORCH.torch])
  return { ...manifest, version, optionalDependencies: Object.fromEntries(libtorch) }
}
