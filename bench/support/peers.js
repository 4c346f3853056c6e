'use strict'
// The Python side of `npm run bench`: an environment for the peers, the checkpoint that all share, and workers.

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { PYTHON, ROOT } = require('./reference')
const { Worker } = require('./worker')

const HOME = path.join(ROOT, '.bench') // git-ignored: the environment, weights, exported peers, compilers' caches
const VENV = path.join(HOME, 'venv')
const PEERS_PYTHON = path.join(VENV, 'bin', 'python')
const REQUIREMENTS = path.join(ROOT, 'bench', 'requirements.txt')
const STAMP = path.join(VENV, 'requirements.txt') // what was installed and for which folder, written last

function must(command, args) {
  const made = spawnSync(command, args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 2 ** 28 })
  if (made.status !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${made.stderr}`)
  return made.stdout
}

/** .venv stays as it is: the peers get an environment that looks into it, and holds only what .venv lacks. */
function ensureEnvironment() {
  const wanted = `# in ${VENV}\n${fs.readFileSync(REQUIREMENTS, 'utf8')}` // an environment does not survive being moved
  if (fs.existsSync(STAMP) && fs.readFileSync(STAMP, 'utf8') === wanted) return
  console.error('setting up the environment of the peers …')
  fs.rmSync(VENV, { recursive: true, force: true })
  must(PYTHON, ['-m', 'venv', VENV])
  const site = (python) =>
    must(python, ['-c', "import sysconfig; print(sysconfig.get_path('purelib'))"]).trim()
  fs.writeFileSync(path.join(site(PEERS_PYTHON), 'beside.pth'), `${site(PYTHON)}\n`)
  must(PEERS_PYTHON, ['-m', 'pip', 'install', '--disable-pip-version-check', '--no-deps', '-r', REQUIREMENTS])
  fs.writeFileSync(STAMP, wanted)
}

/** The checkpoint of full width and reduced depth, its graphs and the inputs of every stage; made once. `compile`: a dtype. */
function ensureCheckpoint(compile = null) {
  const more = compile === null ? [] : ['--compile', compile]
  must(PEERS_PYTHON, ['-m', 'bench.peers.checkpoint', HOME, ...more])
}

/** One line of JSON of a Python program of bench/peers. */
function askOnce(program, ...args) {
  return JSON.parse(must(PEERS_PYTHON, ['-m', `bench.peers.${program}`, ...args.map(String)]))
}

/** A peer that is ready to be asked for one step of one stage. */
class Peer extends Worker {
  constructor(name, stage, { threads, dtype }) {
    const args = ['-m', 'bench.peers.worker', name, stage, HOME, '--threads', threads, '--dtype', dtype]
    const cache = path.join(HOME, 'inductor')
    super(PEERS_PYTHON, args.map(String), {
      cwd: ROOT,
      env: { ...process.env, OMP_NUM_THREADS: String(threads), TORCHINDUCTOR_CACHE_DIR: cache },
    })
  }
}

module.exports = { HOME, PEERS_PYTHON, Peer, askOnce, ensureCheckpoint, ensureEnvironment }
