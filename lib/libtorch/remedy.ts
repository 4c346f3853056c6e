/** What mends a place that libtorch was looked for in. */

import { basename } from 'node:path'
import type { LibtorchSource, RejectedPlace } from './find'

/** Of what npm brought. */
export const NPM_AGAIN = 'Remove node_modules, and install again: npm ci'

const ENVIRONMENT = 'Install torch again in that Python environment: pip install --force-reinstall torch'

const OF_FAULTS: Readonly<Record<LibtorchSource, (place: RejectedPlace) => string>> = {
  option: () => 'Correct or remove the option libtorch',
  WUERSTCHEN_LIBTORCH: () => 'Correct or remove WUERSTCHEN_LIBTORCH',
  LIBTORCH: () => 'Correct or remove LIBTORCH',
  runtime: ({ path }) =>
    `Run: npx wuerstchen runtime remove ${basename(path)} && npx wuerstchen runtime install`,
  package: () => NPM_AGAIN,
  VIRTUAL_ENV: () => ENVIRONMENT,
  CONDA_PREFIX: () => ENVIRONMENT,
  WUERSTCHEN_PYTHON: () => ENVIRONMENT,
  checkout: () => ENVIRONMENT,
  system: ({ path }) => `Install the libtorch in ${path} again`,
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
  return OF_FAULTS[place.source](place)
}
