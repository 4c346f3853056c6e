/**
 * The Python environment in .venv.
 *
 * What is installed is read from the environment itself, so one that was made by hand serves as well. A note inside says
 * whether we made it and what is being installed; when it still says so in the next set-up, the environment is half-made.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { at, sitePackages, VENV, VENV_PYTHON } from './places.mjs'

const OLDEST = [3, 11]
const NOTE = join(VENV, '.wuerstchen.json')
const TORCH = 'scripts/requirements-torch.txt'
const REST = 'scripts/requirements.txt'
// The index of the +cpu wheels is asked even where a wheel is at hand, and may be out of reach: give up on it soon.
const IMPATIENT = ['--retries', '1', '--timeout', '5']
const PATIENT = ['--retries', '5', '--timeout', '60']

export const torchInputs = [TORCH]
export const pythonInputs = [REST]

export const torchIsInstalled = () => !isHalfMade() && missingFrom(TORCH).length === 0
export const requirementsAreInstalled = () => torchIsInstalled() && missingFrom(REST).length === 0

export async function installTorch(run) {
  await makeEnvironment(run)
  if (missingFrom(TORCH).length > 0) {
    await installing('torch', async () => {
      const install = (patience) => pip(run, ['--no-deps', '-r', at(TORCH), ...patience])
      await install(IMPATIENT).catch((failure) =>
        failure.signal ? Promise.reject(failure) : install(PATIENT),
      )
    })
  }
  refuseCuda()
}

export async function installRequirements(run) {
  // The file lists what its packages need, too. Nothing else comes along: open_clip_torch would bring torchvision.
  await installing('python', () => pip(run, ['--no-deps', '-r', at(REST)]))
}

const pip = (run, args) =>
  run(VENV_PYTHON, ['-m', 'pip', 'install', '--disable-pip-version-check', '--no-input', ...args])

async function makeEnvironment(run) {
  if (isHalfMade()) {
    if (!readNote().ours)
      throw new Error(
        `An installation into .venv was cut short. .venv was not made by us: repair or remove it.`,
      )
    rmSync(VENV, { recursive: true, force: true })
  }
  if (existsSync(VENV)) {
    if (!existsSync(VENV_PYTHON))
      throw new Error(`Expected a Python environment in .venv but found no ${VENV_PYTHON}: remove .venv`)
    return
  }
  const python = findPython()
  mkdirSync(VENV)
  writeNote({ ours: true, installing: 'the environment itself' })
  await run(python, ['-m', 'venv', VENV])
  writeNote({ ours: true })
}

/** A pip that fails cleans up after itself; one that is killed does not, and then the note stays. */
async function installing(stage, work) {
  writeNote({ ...readNote(), installing: stage })
  try {
    await work()
  } catch (failure) {
    if (!failure.signal) writeNote({ ...readNote(), installing: undefined })
    throw failure
  }
  writeNote({ ...readNote(), installing: undefined })
}

const isHalfMade = () => readNote().installing !== undefined
const readNote = () => (existsSync(NOTE) ? JSON.parse(readFileSync(NOTE, 'utf8')) : { ours: false })
const writeNote = (note) => writeFileSync(NOTE, `${JSON.stringify(note)}\n`)

/** The first Python that is new enough. */
function findPython() {
  const chosen = process.env.WUERSTCHEN_PYTHON
  const names = chosen ? [chosen] : ['python3', 'python3.13', 'python3.12', 'python3.11', 'python']
  const found = names.map((name) => [name, versionOf(name)]).filter(([, version]) => version)
  const fit = found.find(([, [major, minor]]) => major === OLDEST[0] && minor >= OLDEST[1])
  if (fit) return fit[0]
  const seen = found.map(([name, version]) => `${name} ${version.join('.')}`).join(', ') || 'none'
  throw new Error(`Expected Python ${OLDEST.join('.')} or newer (${names.join(', ')}) but found ${seen}`)
}

function versionOf(python) {
  const { status, stdout } = spawnSync(python, ['-c', 'import sys; print(*sys.version_info[:2])'], {
    encoding: 'utf8',
  })
  return status === 0 ? stdout.trim().split(' ').map(Number) : null
}

/** The pinned packages of a requirements file that the environment lacks or has in another version. */
function missingFrom(requirements) {
  const have = installed()
  return pinsOf(requirements).filter(({ name, version }) => have.get(name) !== version)
}

function pinsOf(requirements) {
  const lines = readFileSync(at(requirements), 'utf8')
    .split('\n')
    .map((line) => line.replace(/(^|\s)#.*/, '').trim())
  return lines
    .filter((line) => line && !line.startsWith('--'))
    .map((line) => {
      const [, name, version, , is, platform] = PIN.exec(line) ?? []
      if (!name) throw new Error(`Expected lines of ${requirements} to be name==version but found: ${line}`)
      const meant = platform === undefined || (platform === process.platform) === (is === '==')
      return { name: canonical(name), version: withoutBuild(version), meant }
    })
    .filter(({ meant }) => meant)
}

// Python and Node have the same names for platforms.
const PIN = /^([\w.-]+)==([\w.+]+)(\s*;\s*sys_platform ([!=]=) "(\w+)")?$/

/** Names and versions in site-packages. pip writes RECORD last, so a package without it was cut short. */
function installed() {
  const site = sitePackages()
  const infos = site ? readdirSync(site).filter((name) => name.endsWith('.dist-info')) : []
  return new Map(
    infos
      .filter((info) => existsSync(join(site, info, 'RECORD')))
      .map((info) => /^(.+)-([^-]+)\.dist-info$/.exec(info))
      .map(([, name, version]) => [canonical(name), withoutBuild(version)]),
  )
}

const canonical = (name) => name.toLowerCase().replace(/[-_.]+/g, '-')
/** 2.13.0+cpu and 2.13.0+cu130 are the same torch: in an environment of your own, a CUDA build may serve as well. */
const withoutBuild = (version) => version.split('+')[0]

function refuseCuda() {
  const text = readFileSync(join(sitePackages(), 'torch', 'version.py'), 'utf8')
  const cuda = /^cuda[^=]*= *(.+)$/m.exec(text)?.[1]
  if (cuda !== 'None' && readNote().ours)
    throw new Error(`Expected a torch without CUDA but pip installed one for CUDA ${cuda}`)
}
