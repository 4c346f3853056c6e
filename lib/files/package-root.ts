import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The folder of package.json. This file is one folder below it both as lib/*.ts and as dist/*.js. */
export const packageRoot = join(__dirname, '..', '..')

interface PackageManifest {
  readonly version: string
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

export function packageManifest(): PackageManifest {
  return JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'))
}

export function packageVersion(): string {
  return packageManifest().version
}
