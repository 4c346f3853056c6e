/** A machine that has Node and nothing else, as far as a child process can tell. */
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const LIMIT_MS = 300_000
// What the little shell scripts in node_modules/.bin call. No compiler, no make, no Python.
const SHELL_PROGRAMS = ['sh', 'basename', 'dirname', 'readlink', 'sed', 'uname']

/**
 * An empty HOME, and a PATH with a Node and these programs: `programs` maps a name to a JavaScript file that Node runs, or
 * to a binary. Install scripts are off. `remove()` deletes it all.
 */
export function bareMachine({ registry, node = process.execPath, programs = {} }) {
  const root = mkdtempSync(join(tmpdir(), 'wuerstchen-proof-'))
  const [home, bin] = ['home', 'bin'].map((name) => join(root, name))
  for (const folder of [home, bin]) mkdirSync(folder)
  symlinkSync(node, join(bin, 'node'))
  for (const name of SHELL_PROGRAMS) symlinkSync(whereIs(name), join(bin, name))
  for (const [name, file] of Object.entries(programs)) addProgram(join(bin, name), file)
  const env = {
    HOME: home,
    PATH: bin,
    // npm, pnpm and bun read these; yarn and deno have files and variables of their own.
    npm_config_registry: registry,
    NPM_CONFIG_REGISTRY: registry,
    npm_config_ignore_scripts: 'true',
    npm_config_audit: 'false',
    npm_config_fund: 'false',
    npm_config_update_notifier: 'false',
  }
  return {
    folder: (name) => {
      const path = join(root, name)
      mkdirSync(path, { recursive: true })
      return path
    },
    run: (cwd, command, variables = {}, identity = {}) =>
      runIn(cwd, command, { ...env, ...variables }, identity),
    /** Lets other users in. */
    share: () => {
      chmodSync(root, 0o755)
      chmodSync(home, 0o777)
    },
    remove: () => rmSync(root, { recursive: true, force: true }),
  }
}

function addProgram(path, file) {
  if (!/\.[cm]?js$/.test(file)) return symlinkSync(file, path)
  writeFileSync(path, `#!/bin/sh\nexec node '${file}' "$@"\n`)
  chmodSync(path, 0o755)
}

function whereIs(name) {
  const found = spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).stdout.trim()
  if (found === '') throw new Error(`Expected the program ${name} on this machine but found none`)
  return found
}

/** What a command printed; rejects with all of it when it failed. */
function runIn(cwd, [program, ...args], env, identity) {
  return new Promise((resolve, reject) => {
    const path = program.includes('/') ? program : join(env.PATH, program)
    const child = spawn(path, args, {
      cwd,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: LIMIT_MS,
      ...identity,
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text) => (output += text))
    child.on('error', reject)
    child.on('close', (code, signal) => {
      if (code === 0) return resolve(output)
      const failed = `${[program, ...args].join(' ')} in ${cwd} ended with ${signal ?? code}:\n${output}`
      reject(Object.assign(new Error(failed), { output }))
    })
  })
}
