/** What mends a place that libtorch was looked for in. */

import { join, relative, sep } from 'node:path'
import { realPath } from '../files/probe'
import { BUILDS, PIP_TORCH } from './builds'
import { runtimeInstall } from './commands'
import type { LibtorchSource, RejectedPlace } from './find'
import { npmAgain } from './npm'
import { readRuntime, runtimesFolder, TARGET } from './runtimes'
import { installationOfLibrary } from './system-libraries'

const PIP_AGAIN = `pip install --force-reinstall "${PIP_TORCH}"`

const OF_FAULTS: Readonly<Record<LibtorchSource, (place: RejectedPlace) => string>> = {
  option: () => 'Correct or remove the option libtorch',
  WUERSTCHEN_LIBTORCH: () => 'Correct or remove WUERSTCHEN_LIBTORCH',
  LIBTORCH: () => 'Correct or remove LIBTORCH',
  runtime: ({ path }) => ofRuntime(path),
  package: npmAgain,
  VIRTUAL_ENV: () => `Install torch again in that Python environment: ${PIP_AGAIN}`,
  CONDA_PREFIX: () => `Install torch again in that Python environment: ${PIP_AGAIN}`,
  WUERSTCHEN_PYTHON: () => `Install torch again for that Python: "$WUERSTCHEN_PYTHON" -m ${PIP_AGAIN}`,
  checkout: () => 'Remove .venv in this source checkout, and run: npm run bootstrap',
  system: ({ path }) => `Install the libtorch in ${path} again`,
}

/** `path` is a runtime's folder, or one below it. What somebody unpacked there by hand is no runtime that we remove. */
function ofRuntime(path: string): string {
  const folder = realPath(runtimesFolder() ?? '')
  const name = relative(folder, realPath(path)).split(sep)[0] ?? ''
  const runtime = readRuntime(join(folder, name), name)
  if (runtime === null) return `Remove ${join(folder, name)}`
  const remove = `npx wuerstchen runtime remove ${name}`
  const build = BUILDS.find(({ flavour, target }) => flavour === runtime.flavour && target === TARGET)
  return build ? `Run: ${remove} && ${runtimeInstall(build)}` : `Run: ${remove}. Then install it again`
}

/** Somebody asked for this place by name: it is used or refused, and no other serves. */
export function isNamed({ source }: Pick<RejectedPlace, 'source'>): boolean {
  return source === 'option' || source === 'WUERSTCHEN_LIBTORCH'
}

/** The place to mend first: one that was asked for by name, or that has libtorch and cannot be loaded. */
export function culpritOf(rejected: readonly RejectedPlace[]): RejectedPlace | undefined {
  return rejected.find(isNamed) ?? rejected.find(({ fault }) => fault !== undefined)
}

export function remedyFor(place: RejectedPlace): string {
  const missing = place.fault?.missing
  const system = missing === undefined ? null : installationOfLibrary(missing)
  if (system !== null) return system
  return OF_FAULTS[place.source](place)
}
