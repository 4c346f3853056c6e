import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The folder of package.json. This file is one folder below it both as lib/*.ts and as dist/*.js. */
export const packageRoot = join(__dirname, '..', '..')

export function packageVersion(): string {
  const manifest: { version: string } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'))
  return manifest.version
}
