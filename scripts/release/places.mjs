/** What a release consists of, and where its parts are made. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { at, VENV_PYTHON } from '../tooling/places.mjs'

/** Everything that a release makes. Not in git; may be removed at any time. */
export const RELEASE = at('.release')
export const WHEELS = join(RELEASE, 'wheels')
/** Native parts, a folder for each target: what `prebuild.mjs` of every machine makes. */
export const PREBUILDS = join(RELEASE, 'prebuilds')
/** What was taken out of wheels. */
export const UNPACKED = join(RELEASE, 'unpacked')
/** Packages as folders. */
export const PACKAGES = join(RELEASE, 'packages')
export const TARBALLS = join(RELEASE, 'tarballs')

export const LIBTORCH = JSON.parse(readFileSync(at('packages', 'libtorch', 'targets.json'), 'utf8'))
export const TARGETS = Object.keys(LIBTORCH.targets)
/** Such as `linux-x64`. */
export const THIS_TARGET = `${process.platform}-${process.arch}`

export const libtorchPackage = (target) => `@wuerstchen/libtorch-${target}`

/** npm of the Node that runs this, to be run by it. */
export const NPM = [
  join(dirname(process.execPath), 'node_modules', 'npm', 'bin', 'npm-cli.js'), // Windows
  join(dirname(dirname(process.execPath)), 'lib', 'node_modules', 'npm', 'bin', 'npm-cli.js'),
].find(existsSync)

/** A Python with pip, for the wheels. */
export const PYTHON = process.env.WUERSTCHEN_PYTHON ?? (existsSync(VENV_PYTHON) ? VENV_PYTHON : 'python3')

/** `--target a,b` of a command line, checked; `otherwise` without it. */
export function chosenTargets(value, otherwise) {
  const targets = value === undefined ? otherwise : value === 'all' ? TARGETS : value.split(',')
  for (const target of targets) {
    if (!TARGETS.includes(target))
      throw new Error(
        `Expected --target to name some of ${TARGETS.join(', ')} or all but received '${target}'`,
      )
  }
  return targets
}
