/** The package that npm brings libtorch's libraries in: one for each platform, of which only the fitting one is installed. */
import { dirname } from 'node:path'
import { packageManifest } from '../files/package-root'
import { npmInstall } from './npm'

const SCOPE = '@wuerstchen/libtorch-'
const TARGET = `${process.platform}-${process.arch}`

/** Written out, so that programs that trace a deployment's files see the names. Nothing is loaded. */
const RESOLVE: Readonly<Record<string, () => string>> = {
  'linux-x64': () => require.resolve('@wuerstchen/libtorch-linux-x64/package.json'),
  'linux-arm64': () => require.resolve('@wuerstchen/libtorch-linux-arm64/package.json'),
  'darwin-arm64': () => require.resolve('@wuerstchen/libtorch-darwin-arm64/package.json'),
  'win32-x64': () => require.resolve('@wuerstchen/libtorch-win32-x64/package.json'),
}

/** Folder of the installed platform package; null where it is not installed. */
export function platformPackage(target: string = TARGET): string | null {
  try {
    return dirname(RESOLVE[target]?.() ?? '') || null
  } catch {
    return null
  }
}

/** Why there is no platform package here and which command brings it; null where none is meant to be. */
export function missingPackage(): { readonly name: string; readonly reason: string } | null {
  const name = `${SCOPE}${TARGET}`
  if (!isPinned(name)) return null
  const others = Object.keys(RESOLVE).filter((target) => platformPackage(target) !== null)
  return { name, reason: `not installed${causeOf(others)}. Run: ${npmInstall()}` }
}

function causeOf(others: readonly string[]): string {
  if (others.length === 0)
    return ': optional dependencies were left out, or the lock file is from another platform'
  return `, but ${others.map((target) => SCOPE + target).join(' and ')} is: node_modules is from another platform`
}

/** From our own package.json. A source checkout has no such dependencies: it compiles against a libtorch of its own. */
function isPinned(name: string): boolean {
  return packageManifest().optionalDependencies?.[name] !== undefined
}
