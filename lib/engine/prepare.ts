import { bug } from '../errors'
import type { Model } from '../memory/loaded-model'
import type { NativeDevice, NativeNoise, NativeTensor } from '../native/types'
import type { NoiseStream, Request, TextSource } from '../request/request'
import type { ConditionChange, Denoising } from '../stages/denoise'
import type { TextEncoder } from '../stages/text-encoder'
import type { FloatTensor } from '../tensors/float-tensor'
import { embedPlan } from '../text/emphasis'
import { type Job, type Run, stretchesOf } from './job'

type Condition = readonly NativeTensor[]

/** All that a job's first step in a denoising stage needs: modulation, conditions, noise to start from. */
export async function prepare(stage: 'prior' | 'decoder', model: Model, job: Job): Promise<Denoising> {
  const { run, image } = job
  const { guidanceScale } = run.request[stage]
  const steps = run.steps[stage]
  const modulation = job.scope.hold(await model[stage].modulation(steps))
  const [first, ...changes] =
    stage === 'prior' ? await priorConditions(model, job) : [await decoderConditions(model, job)]
  if (first === undefined) throw bug('Expected a prompt for the first step.')
  run.throwIfEnded()
  const noise = await noiseOf(model, job)
  const { noiseRow } = image
  const shape = latentShape(stage, model, job)
  const latents = job.scope.hold(await model.device.drawLatents({ noise, noiseRow, shape }))
  return {
    latents,
    condition: first.condition,
    negative: first.negative,
    changes,
    guidanceScale,
    modulation: modulation.tensor,
    steps,
    noise,
    noiseRow,
    clean:
      stage === 'prior' && run.previews ? job.scope.hold(await model.device.affine(latents, 1, 0)) : null,
  }
}

/**
 * Has the texts encoded that a job's stage will read: before others are prepared, so that the encoder's weights come once for
 * all.
 */
export async function readTexts(
  stage: 'prior' | 'decoder',
  model: Model,
  { run, image }: Job,
): Promise<void> {
  const stretches = stage === 'prior' ? stretchesOf(image) : [image]
  const { guided } = run.request[stage]
  const keys = stretches.flatMap(({ promptKey, negativeKey }) =>
    guided ? [promptKey, negativeKey] : [promptKey],
  )
  for (const key of keys) {
    if (stage === 'decoder') await decoderText(model, run, key)
    else if (!run.priorConditions.has(key)) await priorText(model, run, key)
  }
}

/** What the prior reads, step by step: one entry for most prompts, several where a prompt changes on the way. */
async function priorConditions(model: Model, { run, image }: Job): Promise<ConditionChange[]> {
  const conditions: ConditionChange[] = []
  for (const { from, promptKey, negativeKey } of stretchesOf(image)) {
    const condition = await priorCondition(model, run, promptKey)
    const negative = run.request.prior.guided ? await priorCondition(model, run, negativeKey) : null
    conditions.push({ from, condition, negative })
  }
  return conditions
}

async function decoderConditions(model: Model, job: Job): Promise<ConditionChange> {
  const { run, image } = job
  const condition = await decoderCondition(model, job)
  const negative = run.request.decoder.guided ? await decoderNegative(model, run, image.negativeKey) : null
  return { from: 0, condition, negative }
}

/** Depends on the text alone, so all images of a request with this text share it. */
function priorCondition(model: Model, run: Run, key: string): Promise<Condition> {
  return once(run.priorConditions, key, async () => {
    const embeddings = await priorText(model, run, key)
    run.priorTexts.delete(key)
    try {
      run.throwIfEnded()
      return run.scope.holdAll(await model.prior.condition(embeddings))
    } finally {
      run.scope.free(embeddings)
    }
  })
}

function priorText(model: Model, run: Run, key: string): Promise<NativeTensor> {
  return once(run.priorTexts, key, async () => {
    run.throwIfEnded()
    return run.scope.hold(
      await embed(model.device, model.priorTextEncoder, run.prompt(key).prior, () => run.throwIfEnded()),
    )
  })
}

/** Tokens go through the text encoder, weights through arithmetic; what was made of them before is taken as it is. */
async function embed(
  device: NativeDevice,
  encoder: TextEncoder,
  source: TextSource,
  throwIfEnded: () => void = () => undefined,
): Promise<NativeTensor> {
  const { shape, data } = await embedded(encoder, source, throwIfEnded)
  throwIfEnded()
  return device.write({ dtype: 'float32', shape, data })
}

/** The same as numbers on this side. */
export function embedded(
  encoder: TextEncoder,
  source: TextSource,
  throwIfEnded: () => void = () => undefined,
): Promise<FloatTensor> | FloatTensor {
  if ('ids' in source) return encoder.read(source)
  if ('shape' in source) return source
  return embedPlan(source, (tokens) => {
    throwIfEnded()
    return encoder.read(tokens)
  })
}

/** What one image's own embeddings and its prompt make. */
async function decoderCondition(model: Model, job: Job): Promise<Condition> {
  const text = await decoderText(model, job.run, job.image.promptKey)
  job.run.throwIfEnded()
  const embeddings = await imageEmbeddings(model, job)
  return job.scope.holdAll(await model.decoder.condition(text, embeddings, job.run.request.sizes))
}

/** What Stage C left, or what the request brought along. */
async function imageEmbeddings({ device }: Model, { input, image, scope }: Job): Promise<NativeTensor> {
  if (input !== null) return input
  if (image.embeddings === null) throw bug('Expected image embeddings before the decoder but there are none.')
  const { shape, data } = image.embeddings
  return scope.hold(await device.write({ dtype: 'float32', shape, data }))
}

/** The unguided half: the negative text, and zeros for image embeddings. Shared by the images of a request. */
function decoderNegative(model: Model, run: Run, key: string): Promise<Condition> {
  return once(run.decoderNegatives, key, async () => {
    const embeddings = await decoderText(model, run, key)
    run.throwIfEnded()
    const { sizes } = run.request
    const shape = [1, model.priorChannels, sizes.priorHeight, sizes.priorWidth]
    const data = new Float32Array(model.priorChannels * sizes.priorHeight * sizes.priorWidth)
    const zeros = await model.device.write({ dtype: 'float32', shape, data })
    try {
      run.throwIfEnded()
      return run.scope.holdAll(await model.decoder.condition(embeddings, zeros, sizes))
    } finally {
      zeros.dispose()
    }
  })
}

function decoderText(model: Model, run: Run, key: string): Promise<NativeTensor> {
  return once(run.decoderTexts, key, async () => {
    run.throwIfEnded()
    return run.scope.hold(
      await embed(model.device, model.decoderTextEncoder, run.prompt(key).decoder, () => run.throwIfEnded()),
    )
  })
}

/** A stream belongs to the request: its images draw their rows from it, through both stages. */
async function noiseOf(model: Model, { run, image, stage }: Job): Promise<NativeNoise> {
  const { noiseStream, noiseRow } = image
  const stream = run.request.streams[noiseStream]
  if (stream === undefined) throw bug(`Expected a noise stream ${noiseStream} but there is none.`)
  const known = run.noises.get(noiseStream)
  const noise =
    known ??
    run.scope.hold(model.device.noise({ seed: stream.seed, rows: stream.rows, dtype: model.rounding }))
  run.noises.set(noiseStream, noise)
  if (known === undefined) releaseOthers(noise, run.request, noiseStream)
  if (stage === run.stages[0]) await catchUp(model.device, run, stream, noise, noiseRow)
  return noise
}

/** Rows of the stream that no image of this request asks for: nothing is kept for them. */
function releaseOthers(noise: NativeNoise, { images, streams }: Request, noiseStream: number): void {
  const ours = images.filter((image) => image.noiseStream === noiseStream).map(({ noiseRow }) => noiseRow)
  const { rows = 0 } = streams[noiseStream] ?? {}
  for (let row = 0; row < rows; row++) if (!ours.includes(row)) noise.release(row)
}

/** Draws again what the prior drew in another request, so that this row goes on where it stood. */
async function catchUp(
  device: NativeDevice,
  run: Run,
  { before }: NoiseStream,
  noise: NativeNoise,
  noiseRow: number,
): Promise<void> {
  for (let draw = 0; draw < (before?.draws ?? 0); draw++) {
    run.throwIfEnded()
    const drawn = await device.drawLatents({
      noise,
      noiseRow,
      shape: before?.shape as [number, number, number],
    })
    drawn.dispose()
  }
}

function latentShape(stage: 'prior' | 'decoder', model: Model, job: Job): [number, number, number] {
  const { sizes } = job.run.request
  return stage === 'prior'
    ? [model.priorChannels, sizes.priorHeight, sizes.priorWidth]
    : [model.latentChannels, sizes.latentHeight, sizes.latentWidth]
}

async function once<T>(known: Map<string, T>, key: string, make: () => Promise<T>): Promise<T> {
  const value = known.get(key) ?? (await make())
  known.set(key, value)
  return value
}
