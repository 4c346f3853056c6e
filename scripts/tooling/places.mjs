/** Where things are. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
export const at = (...parts) => join(ROOT, ...parts)

/** Stamps, logs and the lock of bootstrap. */
export const STATE = at('.bootstrap')

export const LOADER = at('build', 'Release', 'loader.node')
/** Not in build/, which `node-gyp rebuild` deletes. */
export const ENGINE_BUILD = at('build-cmake')
export const ENGINE = join(ENGINE_BUILD, 'Release', 'wuerstchen.node')

export const VENV = at('.venv')
const windows = process.platform === 'win32'
export const VENV_PYTHON = windows ? join(VENV, 'Scripts', 'python.exe') : join(VENV, 'bin', 'python')
/** A program that pip put into the environment: ruff, clang-format, cpplint. */
export const venvProgram = (name) =>
  windows ? join(VENV, 'Scripts', `${name}.exe`) : join(VENV, 'bin', name)

/** The environment's site-packages, or null while there is none. */
export function sitePackages() {
  if (windows)
    return existsSync(join(VENV, 'Lib', 'site-packages')) ? join(VENV, 'Lib', 'site-packages') : null
  const lib = join(VENV, 'lib')
  const folder = existsSync(lib) && readdirSync(lib).find((name) => /^python3\.\d+$/.test(name))
  return folder ? join(lib, folder, 'site-packages') : null
}

/** A libtorch that the user chose; then no torch is installed for the native build. */
export const chosenLibtorch = () => process.env.WUERSTCHEN_LIBTORCH || process.env.LIBTORCH || null

/** The libtorch that the addon is built against, or null while there is none. */
export function libtorch() {
  if (chosenLibtorch()) return chosenLibtorch()
  const site = sitePackages()
  return site && existsSync(join(site, 'torch')) ? join(site, 'torch') : null
}

// torch's own CUDA wheels come with the first one alone.
const CUDA_HEADERS = ['cuda_runtime_api.h', join('crt', 'host_config.h')]
/** A folder with CUDA's headers: of a Python package beside torch, or of a toolkit; null where there is none. */
export function cudaHeaders() {
  const torch = libtorch()
  const packages = [sitePackages(), torch && dirname(torch)]
    .filter(Boolean)
    .map((site) => join(site, 'nvidia'))
  const folders = packages
    .filter(existsSync)
    .flatMap((site) => readdirSync(site).map((name) => join(site, name)))
  const toolkits = [process.env.CUDA_HOME, '/usr/local/cuda'].filter(Boolean)
  return (
    [...folders, ...toolkits]
      .map((folder) => join(folder, 'include'))
      .find((folder) => CUDA_HEADERS.every((header) => existsSync(join(folder, header)))) ?? null
  )
}

/** '2.13.0+cpu', from a Python package or from a libtorch archive. */
export function libtorchVersion(folder) {
  const archive = join(folder, 'build-version')
  if (existsSync(archive)) return readFileSync(archive, 'utf8').trim()
  const python = join(folder, 'version.py')
  if (existsSync(python))
    return /^__version__ = '([^']+)'/m.exec(readFileSync(python, 'utf8'))?.[1] ?? 'unknown'
  throw new Error(`Expected libtorch in ${folder} but found neither build-version nor version.py there`)
}
