/** Makes the graphs of a config that the package does not carry, through Python. */

import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { oneOf } from '../checks/values'
import { ModelError } from '../errors'
import { packageRoot } from '../files/package-root'
import type { Dtype } from '../native/types'

export interface ExportOptions {
  /** Folder of the prior. Defaults to the decoder's name with `-prior`, beside it. */
  readonly prior?: string | undefined
  /** Where the folder with the graphs is written. Defaults to `graphs` in the working directory. */
  readonly out?: string | undefined
  /**
   * Compiles the hot methods with AOTInductor, too, in this dtype and for this machine. A pipeline runs them in the graph's
   * place where they match and win: see `PipelineInfo.compiled`. Needs a C++ compiler. Defaults to compiling nothing.
   */
  readonly compile?: Dtype | undefined
  /** Of what is compiled: `'cpu'` or `'cuda'`. Defaults to `'cpu'`. */
  readonly device?: 'cpu' | 'cuda' | undefined
  /** Called with each line that the export prints. */
  readonly onLine?: ((line: string) => void) | undefined
  /** Stops the export. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Exports the graphs of a model in the hub's layout, checked against the networks in float32 and bfloat16, and returns
 * the folder to name with the option `graphs`. Needs a Python with torch: `WUERSTCHEN_PYTHON`, this package's own
 * `.venv`, or `python3`.
 * @throws InvalidArgumentError for an unknown dtype or device. ModelError with code EXPORT_FAILED and the command to run by hand.
 */
export async function exportGraphs(folder: string, options: ExportOptions = {}): Promise<string> {
  const out = resolve(options.out ?? 'graphs')
  const args = ['-W', 'ignore', '-m', 'scripts.export', resolve(folder), '--out', out]
  if (options.prior !== undefined) args.push('--prior', resolve(options.prior))
  if (options.compile !== undefined) {
    args.push('--compile', oneOf('compile', options.compile, ['float32', 'bfloat16', 'float16']))
    args.push('--device', oneOf('device', options.device ?? 'cpu', ['cpu', 'cuda']))
  }
  const python = findPython(args)
  await run(python, args, options)
  return out
}

/** The first Python that can import torch. */
function findPython(args: readonly string[]): string {
  const { WUERSTCHEN_PYTHON } = process.env
  const own = join(packageRoot, '.venv', 'bin', 'python')
  const places = WUERSTCHEN_PYTHON ? [WUERSTCHEN_PYTHON] : [own, 'python3', 'python']
  const tried: string[] = []
  for (const place of places) {
    if (place === own && !existsSync(own)) continue
    const probe = spawnSync(place, ['-c', 'import torch'], { encoding: 'utf8' })
    if (probe.status === 0) return place
    tried.push(`${place} (${reasonOf(probe)})`)
  }
  throw new ModelError(
    'EXPORT_FAILED',
    `Expected a Python with torch to export graphs with but found none. Tried: ${tried.join('; ')}. ` +
      'Make one with `python3 -m venv torch && torch/bin/pip install torch`, then set WUERSTCHEN_PYTHON to its python, ' +
      `or run by hand in ${packageRoot}: ${commandOf('python3', args)}`,
    { details: { tried } },
  )
}

function reasonOf({ error, stderr }: SpawnSyncReturns<string>): string {
  if (error !== undefined) return 'code' in error && error.code === 'ENOENT' ? 'not there' : error.message
  return stderr.trim().split('\n').at(-1) ?? 'failed'
}

async function run(python: string, args: readonly string[], options: ExportOptions): Promise<void> {
  const { signal, onLine } = options
  signal?.throwIfAborted()
  const child = spawn(python, args, { cwd: packageRoot, signal, stdio: ['ignore', 'pipe', 'pipe'] })
  let errors = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    for (const line of text.split('\n')) if (line !== '') onLine?.(line)
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-10_000)
  })
  const status = await new Promise<number | null>((settle, reject) => {
    child.once('error', (error) => reject(signal?.aborted ? signal.reason : error))
    child.once('close', settle)
  })
  if (status === 0) return
  const last = errors.trim().split('\n').at(-1) ?? ''
  throw new ModelError(
    'EXPORT_FAILED',
    `The export failed: ${last}. The command was: ${commandOf(python, args)}`,
    {
      details: { errors },
    },
  )
}

function commandOf(python: string, args: readonly string[]): string {
  return [python, ...args].map((word) => (/^[\w./=-]+$/.test(word) ? word : `'${word}'`)).join(' ')
}
