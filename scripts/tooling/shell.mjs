/** Runs commands quietly: what they print goes to a log, and is shown when they fail. */
import { spawn } from 'node:child_process'
import { appendFileSync, mkdirSync } from 'node:fs'
import { dirname, relative } from 'node:path'
import { ROOT } from './places.mjs'

const SHOWN_LINES = 60

export class CommandFailed extends Error {
  constructor(command, { how, signal }, output, log) {
    const lines = output.trimEnd().split('\n')
    const shown = lines.slice(-SHOWN_LINES).map((line) => `    ${line}`)
    const omitted = lines.length > SHOWN_LINES ? ', its last lines' : ''
    super(
      [
        `this command ${how}:`,
        `    ${command}`,
        `What it printed${omitted} (all in ${relative(ROOT, log)}):`,
        ...shown,
      ].join('\n'),
    )
    this.signal = signal // null unless a signal ended it
  }
}

const running = new Set()

/**
 * Resolves when the command exits with 0, with what it printed. `onStart` and `onEnd` hear of the process, so that the
 * lock can tell the next set-up which commands outlived a killed one.
 */
export function run(command, args, { log, env = {}, cwd = ROOT, onStart, onEnd }) {
  const line = [command, ...args].map(quoted).join(' ')
  mkdirSync(dirname(log), { recursive: true })
  appendFileSync(log, `$ ${line}\n`)

  return new Promise((resolve, reject) => {
    // A process group of its own, so that stopping it stops the compilers that it started.
    const windows = process.platform === 'win32'
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: !windows,
      shell: windows && command === 'npm',
      windowsHide: true,
    })
    let output = ''
    const keep = (chunk) => {
      output += chunk
      appendFileSync(log, chunk)
    }
    child.stdout.setEncoding('utf8').on('data', keep)
    child.stderr.setEncoding('utf8').on('data', keep)
    running.add(child)
    if (child.pid) onStart?.(child.pid)

    const settle = (failure) => {
      if (!running.delete(child)) return
      if (child.pid) onEnd?.(child.pid)
      if (failure) reject(new CommandFailed(line, failure, output, log))
      else resolve(output)
    }
    child.on('error', (error) => settle({ how: `could not be started (${error.message})`, signal: null }))
    child.on('close', (code, signal) => {
      if (code === 0) settle(null)
      else settle({ how: signal ? `was ended by ${signal}` : `failed with exit code ${code}`, signal })
    })
  })
}

/** Ends every command that is still running, with the processes it started. */
export function stopAll() {
  for (const child of running) {
    try {
      if (process.platform === 'win32') child.kill()
      else process.kill(-child.pid, 'SIGTERM')
    } catch {
      // it ended meanwhile
    }
  }
}

const quoted = (word) => (/^[\w@%+=:,./\\-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)
