import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { ROOT } from '../../bench/support/reference'

/** Compiles lib/ to dist/ where it is out of date: what a child process runs is JavaScript. */
export function ensureDist(): string {
  const made = spawnSync(process.execPath, ['scripts/bootstrap.mjs', '--only', 'ts'], {
    cwd: ROOT,
    encoding: 'utf8',
  })
  if (made.status !== 0) throw new Error(`bootstrap failed:\n${made.stdout}${made.stderr}`)
  return join(ROOT, 'dist')
}

type Environment = Readonly<Record<string, string | undefined>>

/** Runs `body` in a process of its own, as the body of an async function with the package as `wuerstchen`. */
export function runScript(body: string, environment: Environment = {}): SpawnSyncReturns<string> {
  const index = JSON.stringify(join(ROOT, 'dist', 'index.js'))
  return spawnSync(
    process.execPath,
    ['-e', `const wuerstchen = require(${index})\n;(async () => {${body}\n})()`],
    {
      cwd: ROOT,
      encoding: 'utf8',
      env: { ...process.env, ...environment } as NodeJS.ProcessEnv,
      timeout: 120_000,
    },
  )
}

/** What a script that must succeed printed, as JSON. */
export function resultOf(body: string, environment: Environment = {}): unknown {
  const { status, signal, stdout, stderr } = runScript(body, environment)
  if (status !== 0) throw new Error(`the script ended with ${signal ?? status}:\n${stdout}${stderr}`)
  return JSON.parse(stdout)
}

/** Runs the command line. */
export function runCli(args: readonly string[], environment: Environment = {}): SpawnSyncReturns<string> {
  return spawnSync(process.execPath, [join(ROOT, 'dist', 'cli', 'main.js'), ...args], {
    cwd: ROOT,
    encoding: 'utf8',
    env: { ...process.env, ...environment } as NodeJS.ProcessEnv,
    timeout: 120_000,
  })
}
