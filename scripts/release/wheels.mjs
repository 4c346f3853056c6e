/** The official wheels that libtorch's libraries are taken from. */
import { createHash } from 'node:crypto'
import { createReadStream, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { run } from '../tooling/shell.mjs'
import { LIBTORCH, PYTHON, RELEASE, UNPACKED, WHEELS } from './places.mjs'

const log = join(RELEASE, 'wheels.log')
// Only this index has wheels for Linux without CUDA. pip looks on its own index as well.
const PYTORCH_INDEX = 'https://download.pytorch.org/whl/cpu'

/** Absolute path of the wheel that a target's package is made of. */
export const wheelOf = (target) => fetchWheel(LIBTORCH.targets[target])

/**
 * Folders of libtorch with headers, in the versions that a target has engines for beside the one in its package: the newest
 * PyTorch that people have installed already.
 */
export async function furtherLibtorches(target) {
  const folders = []
  for (const { torch, targets } of LIBTORCH.further.filter(({ targets }) => target in targets)) {
    const folder = join(UNPACKED, `further-${target}-${torch}`)
    folders.push(join(folder, 'torch'))
    if (existsSync(folder)) continue
    const wheel = await fetchWheel(targets[target])
    const making = `${folder}.making`
    rmSync(making, { recursive: true, force: true })
    await run(PYTHON, ['-c', EXTRACT_MATCHING, wheel, making, OF_A_BUILD], { log })
    renameSync(making, folder)
  }
  return folders
}

/** A Python environment with the newest PyTorch that there is an engine for, as somebody has it who uses it in Python. */
export async function furtherEnvironment() {
  const { torch } = LIBTORCH.further[0]
  const folder = join(RELEASE, `environment-${torch}`)
  const made = join(folder, 'made')
  if (existsSync(made)) return folder
  await run(PYTHON, ['-m', 'venv', '--clear', folder], { log })
  const install = ['-m', 'pip', 'install', '--quiet', '--extra-index-url', PYTORCH_INDEX, `torch==${torch}`]
  await run(join(folder, 'bin', 'python'), install, { log })
  writeFileSync(made, '')
  return folder
}

/** Downloaded where it is missing, and always compared with its pinned checksum. */
async function fetchWheel({ wheel, sha256, platform, requirement }) {
  const path = join(WHEELS, wheel)
  if (!existsSync(path)) await download(platform, requirement)
  const received = await checksum(path)
  if (received === sha256) return path
  rmSync(path)
  throw new Error(`Expected ${wheel} with sha256 ${sha256} but received ${received}`)
}

async function download(platform, requirement) {
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
const EXTRACT_MATCHING =
  'import re, sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); z.extractall(sys.argv[2], filter(re.compile(sys.argv[3]).search, z.namelist()))'
// Without the parts for GPUs, which stand-ins take the place of, and those for Python.
const OF_A_BUILD = '^torch/(include/|version\\.py$|lib/(libtorch_cpu|libc10|libgomp)\\b)'

/** Names of all files in a wheel. */
export async function namesIn(wheel) {
  return (await run(PYTHON, ['-c', LIST, wheel], { log })).trim().split(/\r?\n/)
}

/** Takes some files out of a wheel, with their folders. */
export async function extract(wheel, names, folder) {
  await run(PYTHON, ['-c', EXTRACT, wheel, folder, ...names], { log })
}
