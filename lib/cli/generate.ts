import { prepareFile, prepareFolder } from '../files/save'
import { shownPath } from '../files/shown-path'
import { loadSharp } from '../image/sharp'
import {
  formatOf,
  type GeneratedImage,
  type GenerateOptions,
  type ImageMetadata,
  type LoadProgress,
  type PipelineOptions,
  readParameters,
  WuerstchenPipeline,
} from '../index'
import { fail, Interrupted, interruptSignal, lineFor, UsageError } from './exit'
import { previewOf, STANDARD_OUTPUT, type Task, type TaskFlags, tasksOf } from './names'
import { writeOutput } from './output'
import { type Progress, showProgress } from './progress'

interface GenerateFlags extends TaskFlags {
  readonly model?: string
  readonly prior?: readonly string[]
  readonly priorWeight?: number
  readonly revision?: string
  readonly variant?: string
  readonly token?: string
  readonly cacheDir?: string
  readonly localFilesOnly?: true
  readonly graphs?: string
  readonly lora?: readonly { readonly path: string; readonly scale: number }[]
  readonly embedding?: readonly string[]
  readonly parity?: NonNullable<PipelineOptions['parity']>
  readonly negativePrompt?: string
  readonly promptSyntax?: NonNullable<GenerateOptions['promptSyntax']>
  readonly longPrompts?: NonNullable<GenerateOptions['longPrompts']>
  readonly seed?: number | bigint
  readonly width?: number
  readonly height?: number
  readonly steps?: number
  readonly decoderSteps?: number
  readonly priorTimesteps?: readonly number[]
  readonly decoderTimesteps?: readonly number[]
  readonly guidance?: number
  readonly decoderGuidance?: number
  readonly dtype?: NonNullable<PipelineOptions['dtype']>
  readonly kernels?: NonNullable<PipelineOptions['kernels']>
  readonly device?: string
  readonly offload?: NonNullable<PipelineOptions['offload']>
  readonly maxMemory?: number
  readonly maxBatchRows?: number
  readonly promptCacheBytes?: number
  readonly weightsCache?: string | false
  /** True where nothing was said. */
  readonly cudaGraphs?: boolean
  readonly previewEvery?: number
  readonly timeoutMs?: number
  readonly threads?: number
  readonly libtorch?: string
  readonly json?: boolean
  readonly quiet?: boolean
}

/** Captions on their way at once: enough to fill a batch while finished pictures are written. */
const AT_ONCE = 4

/** `wuerstchen generate` */
export async function generate(caption: string | undefined, flags: GenerateFlags): Promise<void> {
  if (flags.output === STANDARD_OUTPUT && flags.previewEvery !== undefined)
    throw new UsageError('Expected a file for --output with --preview-every: previews are named after it')
  const tasks = tasksOf(caption, flags)
  loadSharp() // every format is its
  await prepareFolders(tasks, flags)
  const signal = interruptSignal()
  const images = tasks.reduce((sum, { files }) => sum + files.length, 0)
  const progress = await showProgress(images, { quiet: flags.quiet ?? false })
  const onProgress = (loading: LoadProgress) => progress.load(loading)
  let pipeline: WuerstchenPipeline | undefined
  try {
    const ready = await WuerstchenPipeline.fromPretrained(flags.model, {
      ...loadingOf(flags),
      signal,
      onProgress,
    })
    pipeline = ready
    for (const { path, scale } of flags.lora ?? []) await ready.loadLora(path, { scale })
    for (const path of flags.embedding ?? []) await ready.loadTextualInversion(path)
    await forEach(tasks, progress, (task) => make(ready, task, { flags, progress, signal }))
  } finally {
    progress.stop()
    await pipeline?.dispose()
  }
}

interface Making {
  readonly flags: GenerateFlags
  readonly progress: Progress
  readonly signal: AbortSignal
}

async function make(pipeline: WuerstchenPipeline, task: Task, making: Making): Promise<void> {
  const { flags, progress, signal } = making
  const result = await pipeline.generate(await sourceOf(task, flags), {
    ...optionsOf(flags),
    signal,
    onProgress: (step) => progress.update(step),
    ...(flags.previewEvery !== undefined && {
      previewEvery: flags.previewEvery,
      onPreview: ({ index, image }) => image.toFile(previewOf(task.files[index] ?? '')),
    }),
  })
  const written = result.images.map((image, index) => ({
    file: task.files[index] ?? '',
    image,
    timings: result.timings[index],
  }))
  await Promise.all(written.map(({ file, image }) => write(file, image)))
  if (!flags.quiet) for (const warning of result.warnings) progress.warn(`warning: ${shownPath(warning)}`)
  // What goes to standard output is the picture's.
  if ((flags.quiet && !flags.json) || flags.output === STANDARD_OUTPUT) return
  for (const { file, image, timings } of written) {
    const { width, height, seed, metadata } = image
    const { warnings, truncated } = result
    const seconds = ((timings?.totalMs ?? 0) / 1000).toFixed(1)
    progress.print(
      flags.json
        ? JSON.stringify({ file, prompt: metadata.prompt, seed, width, height, timings, warnings, truncated })
        : `${shownPath(file)}  ${width}x${height}, seed ${seed}, ${seconds} s`,
    )
  }
}

/** A caption, or the parameters of the picture that `--from` names, with another caption if there is one. */
async function sourceOf({ caption }: Task, { from }: GenerateFlags): Promise<string | ImageMetadata> {
  if (from === undefined) return caption ?? ''
  const parameters = await readParameters(from)
  if (parameters === null)
    throw new UsageError(
      `Expected ${shownPath(from)} to be a PNG of this package but it carries no parameters`,
    )
  return caption === null ? parameters : { ...parameters, prompt: caption }
}

async function write(file: string, image: GeneratedImage): Promise<void> {
  if (file !== STANDARD_OUTPUT) return image.toFile(file)
  await writeOutput(await image.toBuffer())
}

/** The flags that are options of `fromPretrained()`. */
function loadingOf(flags: GenerateFlags): PipelineOptions {
  const { revision, variant, token, cacheDir, localFilesOnly, graphs, dtype, parity, kernels } = flags
  const { offload, maxMemory, maxBatchRows, promptCacheBytes, weightsCache, threads, libtorch } = flags
  const devices = flags.device?.split(',')
  return {
    ...{ revision, variant, token, cacheDir, localFilesOnly, graphs, dtype, parity, kernels },
    ...{ offload, maxMemory, maxBatchRows, promptCacheBytes, weightsCache, threads, libtorch },
    prior: priorOf(flags),
    device: devices?.length === 1 ? devices[0] : devices,
    cudaGraphs: flags.cudaGraphs === false ? false : undefined,
  }
}

/** One, or two and a place between them; the package itself counts them. */
function priorOf({ prior, priorWeight }: GenerateFlags): PipelineOptions['prior'] {
  if (prior !== undefined && prior.length > 1)
    return { from: prior as readonly [string, string], weight: priorWeight }
  if (priorWeight !== undefined) throw new UsageError('Expected two --prior with --prior-weight')
  return prior?.[0]
}

/** The flags that are options of `generate()`; what was not given is left to its defaults. */
function optionsOf(flags: GenerateFlags): GenerateOptions {
  return {
    negativePrompt: flags.negativePrompt,
    promptSyntax: flags.promptSyntax,
    longPrompts: flags.longPrompts,
    seed: flags.seed,
    width: flags.width,
    height: flags.height,
    priorNumInferenceSteps: flags.steps,
    numInferenceSteps: flags.decoderSteps,
    priorTimesteps: flags.priorTimesteps,
    decoderTimesteps: flags.decoderTimesteps,
    priorGuidanceScale: flags.guidance,
    decoderGuidanceScale: flags.decoderGuidance,
    numImagesPerPrompt: flags.count,
    timeoutMs: flags.timeoutMs,
  }
}

/** A wrong file name shows before minutes of work, not after. */
async function prepareFolders(tasks: readonly Task[], { outDir }: GenerateFlags): Promise<void> {
  for (const { files } of tasks) for (const file of files) if (file !== STANDARD_OUTPUT) formatOf(file)
  if (outDir !== undefined) return prepareFolder(outDir)
  for (const file of tasks[0]?.files ?? []) if (file !== STANDARD_OUTPUT) await prepareFile(file)
}

/** Does the tasks a few at a time. One that fails does not stop the others, unless it is the only one or Ctrl-C. */
async function forEach(
  tasks: readonly Task[],
  progress: Progress,
  work: (task: Task) => Promise<void>,
): Promise<void> {
  if (tasks.length === 1 && tasks[0] !== undefined) return work(tasks[0])
  const waiting = tasks.values()
  const failures: unknown[] = []
  const worker = async () => {
    for (const task of waiting) {
      await work(task).catch((error: unknown) => {
        if (error instanceof Interrupted) throw error
        failures.push(error)
        progress.warn(`${lineFor(error)} (${shownPath(task.files[0] ?? '')})`)
      })
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  if (failures.length > 0) fail(new Error(`${failures.length} of ${tasks.length} captions failed`))
}
