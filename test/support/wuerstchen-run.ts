import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { join } from 'node:path'
import { ROOT } from '../../bench/support/reference'

export interface Run {
  readonly child: ChildProcess
  readonly out: () => string
  readonly err: () => string
  readonly ended: Promise<number | null>
}

/** The command line as a process of its own. */
export function run(
  args: readonly string[],
  env: Record<string, string> = {},
  options: SpawnOptions = {},
): Run {
  const main = join(ROOT, 'dist', 'cli', 'main.js')
  const child = spawn(process.execPath, [main, ...args], { ...options, env: { ...process.env, ...env } })
  let [out, err] = ['', '']
  child.stdout?.on('data', (data) => {
    out += data
  })
  child.stderr?.on('data', (data) => {
    err += data
  })
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  return { child, out: () => out, err: () => err, ended }
}

/** Every mistake that a command names before it ends with 2, one a line. */
export async function mistakesOf(...given: Parameters<typeof run>): Promise<string[]> {
  const running = run(...given)
  const status = await running.ended
  if (status !== 2)
    throw new Error(`Expected status 2 but received ${status}: ${running.out()}${running.err()}`)
  const [, ...mistakes] = running.err().trimEnd().split('\n')
  return mistakes.map((line) => line.trim())
}
