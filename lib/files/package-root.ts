import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { LibtorchError } from '../errors'

/** The folder of package.json. This file is one folder below it both as lib/*.ts and as dist/*.js. */
export const packageRoot = join(__dirname, '..', '..')

interface PackageManifest {
  readonly version: string
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

export function packageManifest(): PackageManifest {
  return JSON.parse(manifestText(join(packageRoot, 'package.json')))
}

/** A bundler that takes this code into a file of its own leaves everything beside it behind, the native parts, too. */
function manifestText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    const message = `Expected the files of this package beside its code but found no ${path}. If a bundler put the code there, keep wuerstchen external`
    throw new LibtorchError('ADDON_NOT_FOUND', message, { cause, details: { paths: [path] } })
  }
}

export function packageVersion(): string {
  return packageManifest().version
}
