/** The official wheels that libtorch's libraries are taken from. */
import { createHash } from 'node:crypto'
import { createReadStream, existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { run } from '../tooling/shell.mjs'
import { LIBTORCH, PYTHON, RELEASE, WHEELS } from './places.mjs'

const log = join(RELEASE, 'wheels.log')
// Only this index has wheels for Linux without CUDA. pip looks on its own index as well.
const PYTORCH_INDEX = 'https://download.pytorch.org/whl/cpu'

/** Absolute path of a target's wheel: downloaded where it is missing, and always compared with its pinned checksum. */
export async function wheelOf(target) {
  const { wheel, sha256 } = LIBTORCH.targets[target]
  const path = join(WHEELS, wheel)
  if (!existsSync(path)) await download(target)
  const received = await checksum(path)
  if (received === sha256) return path
  rmSync(path)
  throw new Error(`Expected ${wheel} with sha256 ${sha256} but received ${received}`)
}

async function download(target) {
  const { platform, requirement } = LIBTORCH.targets[target]
  mkdirSync(WHEELS, { recursive: true })
  const choice = ['--platform', platform, '--python-version', '3.11', '--only-binary', ':all:', '--no-deps']
  const places = ['--extra-index-url', PYTORCH_INDEX, '--dest', WHEELS]
  await run(PYTHON, ['-m', 'pip', 'download', '--quiet', ...choice, ...places, requirement], { log })
}

async function checksum(path) {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}

const LIST = 'import sys, zipfile; print("\\n".join(zipfile.ZipFile(sys.argv[1]).namelist()))'
const EXTRACT =
  'import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); [z.extract(n, sys.argv[2]) for n in sys.argv[3:]]'

/** Names of all files in a wheel. */
export async function namesIn(wheel) {
  return (await run(PYTHON, ['-c', LIST, wheel], { log })).trim().split(/\r?\n/)
}

/** Takes some files out of a wheel, with their folders. */
export async function extract(wheel, names, folder) {
  await run(PYTHON, ['-c', EXTRACT, wheel, folder, ...names], { log })
}
