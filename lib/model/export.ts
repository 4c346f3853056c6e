/** Makes the graphs of a config that the package does not carry, through Python. */

import { execFile, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { callbacks } from '../checks/callbacks'
import { checkNames } from '../checks/names'
import { joinSignals } from '../checks/signals'
import { abortSignal, callback, oneOf } from '../checks/values'
import { expected, ModelError } from '../errors'
import { absolute } from '../files/absolute'
import { packageRoot } from '../files/package-root'
import { isThere } from '../files/probe'
import { PIP_TORCH } from '../libtorch/builds'
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
  /** Called with each line that the export prints. What it throws, or rejects with later, stops the export and rejects. */
  readonly onLine?: ((line: string) => void) | undefined
  /** Stops the export. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Exports the graphs of a model in the hub's layout, and checks them against the networks in float32 and bfloat16.
 * Returns the folder to name with the option `graphs`. Needs a Python with torch: `WUERSTCHEN_PYTHON`, this package's own
 * `.venv`, or `python3`.
 * @throws InvalidArgumentError for a wrong or unknown option. ModelError with code EXPORT_FAILED and the command to run by hand.
 */
export async function exportGraphs(folder: string, options: ExportOptions = {}): Promise<string> {
  checkNames(options, Object.keys(NAMES))
  const { signal, onLine, prior, out: given = 'graphs' } = options
  const out = absolute(checkPath('out', given))
  const args = ['-W', 'ignore', '-m', 'scripts.export', absolute(checkPath('folder', folder)), '--out', out]
  if (prior !== undefined) args.push('--prior', absolute(checkPath('prior', prior)))
  if (signal !== undefined) abortSignal('signal', signal)
  if (onLine !== undefined) callback('onLine', onLine)
  if (options.compile !== undefined) {
    args.push('--compile', oneOf('compile', options.compile, ['float32', 'bfloat16', 'float16']))
    args.push('--device', oneOf('device', options.device ?? 'cpu', ['cpu', 'cuda']))
  }
  const python = await findPython(args, signal)
  await run(python, args, options)
  return out
}

const NAMES: Readonly<Record<keyof ExportOptions, true>> = {
  prior: true,
  out: true,
  compile: true,
  device: true,
  onLine: true,
  signal: true,
}

function checkPath(name: string, value: unknown): string {
  if (typeof value === 'string' && value !== '' && !value.includes('\0')) return value
  throw expected(name, 'the path of a folder', value)
}

const execute = promisify(execFile)

/** The first Python that can import torch. */
async function findPython(args: readonly string[], signal: AbortSignal | undefined): Promise<string> {
  const { WUERSTCHEN_PYTHON } = process.env
  const own = join(packageRoot, '.venv', 'bin', 'python')
  const places = WUERSTCHEN_PYTHON ? [WUERSTCHEN_PYTHON] : [own, 'python3', 'python']
  const tried: string[] = []
  for (const place of places) {
    if (place === own && !isThere(own)) continue
    const refusal = await refusalOf(place, signal)
    signal?.throwIfAborted()
    if (refusal === null) return place
    tried.push(`${place} (${refusal})`)
  }
  throw new ModelError(
    'EXPORT_FAILED',
    `Expected a Python with torch to export graphs with but found none. Tried: ${tried.join('; ')}. ` +
      `Make one with \`python3 -m venv torch && torch/bin/pip install '${PIP_TORCH}'\`, then set WUERSTCHEN_PYTHON to its python, ` +
      `or run by hand in ${packageRoot}: ${commandOf('python3', args)}`,
    { details: { tried } },
  )
}

/** Why a Python cannot import torch; null where it can. */
async function refusalOf(python: string, signal: AbortSignal | undefined): Promise<string | null> {
  const stop = joinSignals(signal)
  try {
    await execute(python, ['-c', 'import torch'], { encoding: 'utf8', signal: stop.signal })
    return null
  } catch (error) {
    const { code, stderr, message } = error as Error & { code?: unknown; stderr?: string }
    if (code === 'ENOENT') return 'not there'
    return stderr?.trim().split('\n').at(-1) || message
  } finally {
    stop.release()
  }
}

async function run(python: string, args: readonly string[], options: ExportOptions): Promise<void> {
  const { signal, onLine } = options
  signal?.throwIfAborted()
  // A callback's exception stops the export, whether it is thrown or comes later.
  const stop = joinSignals(signal)
  const calls = callbacks((reason) => stop.abort(reason))
  try {
    const { status, errors } = await running(python, args, stop.signal, (line) => {
      try {
        calls.calling(onLine)(line)
      } catch (reason) {
        stop.abort(reason)
      }
    })
    await calls.finished()
    if (status !== 0) throw failed(commandOf(python, args), errors)
  } catch (error) {
    if (stop.signal.aborted) throw stop.signal.reason
    throw error
  } finally {
    stop.release()
  }
}

interface Ended {
  readonly status: number | null
  /** The end of what it wrote to standard error. */
  readonly errors: string
}

function running(
  python: string,
  args: readonly string[],
  signal: AbortSignal,
  onLine: (line: string) => void,
): Promise<Ended> {
  const child = spawn(python, args, { cwd: packageRoot, signal, stdio: ['ignore', 'pipe', 'pipe'] })
  let errors = ''
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line !== '') onLine(line)
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-10_000)
  })
  return new Promise((settle, reject) => {
    child.once('error', reject)
    child.once('close', (status) => settle({ status, errors }))
  })
}

function failed(command: string, errors: string): ModelError {
  const last = errors.trim().split('\n').at(-1) ?? ''
  return new ModelError('EXPORT_FAILED', `The export failed: ${last}. The command was: ${command}`, {
    details: { errors },
  })
}

function commandOf(python: string, args: readonly string[]): string {
  return [python, ...args].map((word) => (/^[\w./=-]+$/.test(word) ? word : `'${word}'`)).join(' ')
}
