import { shownPath } from '../files/shown-path'

/** What the process exits with. */
export const ExitCode = {
  ok: 0,
  failure: 1,
  /** The command line, or a value on it, is wrong. */
  usage: 2,
  /** Ended by Ctrl-C: 128 + SIGINT, as shells have it. */
  interrupted: 130,
} as const

/** The command line does not make sense as a whole. */
export class UsageError extends Error {}

/** Ctrl-C was pressed. */
export class Interrupted extends Error {
  constructor() {
    super('interrupted')
  }
}

/** Aborts at the first Ctrl-C; a second one ends the process as usual. */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController()
  process.once('SIGINT', () => controller.abort(new Interrupted()))
  return controller.signal
}

/** Which flag sets an option of the package, for messages that name the option. */
export const FLAGS: Readonly<Record<string, string>> = {
  prompt: 'caption',
  negativePrompt: '--negative-prompt',
  promptSyntax: '--prompt-syntax',
  longPrompts: '--long-prompts',
  seed: '--seed',
  width: '--width',
  height: '--height',
  priorNumInferenceSteps: '--steps',
  priorTimesteps: '--prior-timesteps',
  numInferenceSteps: '--decoder-steps',
  decoderTimesteps: '--decoder-timesteps',
  priorGuidanceScale: '--guidance',
  decoderGuidanceScale: '--decoder-guidance',
  numImagesPerPrompt: '--count',
  model: '--model',
  prior: '--prior',
  'prior.from': '--prior',
  'prior.weight': '--prior-weight',
  graphs: '--graphs',
  dtype: '--dtype',
  parity: '--parity',
  kernels: '--kernels',
  offload: '--offload',
  maxMemory: '--max-memory',
  maxBatchRows: '--max-batch-rows',
  promptCacheBytes: '--prompt-cache-bytes',
  weightsCache: '--weights-cache',
  cudaGraphs: '--no-cuda-graphs',
  localFilesOnly: '--local-files-only',
  previewEvery: '--preview-every',
  timeoutMs: '--timeout-ms',
  device: '--device',
  threads: '--threads',
  libtorch: '--libtorch',
  path: '--output',
  revision: '--revision',
  variant: '--variant',
  token: '--token',
  cacheDir: '--cache-dir',
  from: '--from',
  sha256: '--sha256',
  folder: '--folder',
}

/** One line on standard error, and the exit code for this kind of error. */
export function fail(error: unknown): void {
  process.exitCode = exitCodeOf(error)
  if (error instanceof Interrupted) return
  console.error(lineFor(error))
  for (const mistake of mistakesOf(error)) console.error(`  ${shownPath(String(mistake))}`)
}

/** Of a configuration: one line each, below the first. */
function mistakesOf(error: unknown): readonly unknown[] {
  const mistakes = (error as { details?: { mistakes?: unknown } } | null)?.details?.mistakes
  return Array.isArray(mistakes) ? mistakes : []
}

const WRONG = [
  'ERR_WUERSTCHEN_INVALID_ARGUMENT',
  'ERR_WUERSTCHEN_PROMPT_SYNTAX',
  'ERR_WUERSTCHEN_FILE_NOT_READ',
]

function exitCodeOf(error: unknown): number {
  if (error instanceof Interrupted) return ExitCode.interrupted
  if (error instanceof UsageError || WRONG.includes(codeOf(error) ?? '')) return ExitCode.usage
  return ExitCode.failure
}

/** `error [CODE]: first line of the message`, with the flag's name in place of the option's. */
export function lineFor(error: unknown): string {
  const code = codeOf(error)
  const message = error instanceof Error ? error.message : String(error)
  // The system's own errors have one line, unless the name of a file has more.
  const line = isSystems(error) ? message : (message.split('\n', 1)[0] ?? '')
  const name = (error as { details?: { name?: unknown } } | null)?.details?.name
  const named = shownPath(withFlags(typeof name === 'string' ? withFlag(line, name) : line))
  return code === null ? `error: ${named}` : `error [${code}]: ${named}`
}

/** The option that is wrong, or the place in it, by the flag that sets it. */
function withFlag(line: string, name: string): string {
  const [, option = '', place = ''] = /^([\w.]+)(.*)$/s.exec(name) ?? []
  const flag = FLAGS[option]
  return flag === undefined ? line : line.replace(`Expected ${name} `, `Expected ${flag}${place} `)
}

/** Other options in a message, of names that are no words; what is quoted is the caller's. */
function withFlags(line: string): string {
  const parts = line.split(/('[^']*')/)
  const replaced = parts.map((part) =>
    part.startsWith("'") ? part : part.replace(/\b[a-z]+[A-Z]\w*\b/g, (name) => FLAGS[name] ?? name),
  )
  return replaced.join('')
}

function isSystems(error: unknown): boolean {
  return typeof (error as { syscall?: unknown } | null)?.syscall === 'string'
}

function codeOf(error: unknown): string | null {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : null
}
