import { bug } from '../errors'
import type { Model } from '../memory/loaded-model'
import type { NativeDevice, NativeNoise, NativeTensor } from '../native/types'
import type { NoiseStream, Request } from '../request/request'
import type { Denoising } from '../stages/denoise'
import type { TextEncoder } from '../stages/text-encoder'
import type { FloatTensor } from '../tensors/float-tensor'
import type { Tokens } from '../text/tokenizer'
import type { Job, Run } from './job'

type Condition = readonly NativeTensor[]

/** All that a job's first step in a denoising stage needs: modulation, conditions, noise to start from. */
export async function prepare(stage: 'prior' | 'decoder', model: Model, job: Job): Promise<Denoising> {
  const { run, image } = job
  const { guided, guidanceScale } = run.request[stage]
  const steps = run.steps[stage]
  const modulation = job.scope.hold(await model[stage].modulation(steps))
  const condition = await (stage === 'prior'
    ? priorCondition(model, run, image.promptKey)
    : decoderCondition(model, job))
  const negative = guided
    ? await (stage === 'prior' ? priorCondition : decoderNegative)(model, run, image.negativeKey)
    : null
  run.throwIfEnded()
  const noise = await noiseOf(model, job)
  const { noiseRow } = image
  const shape = latentShape(stage, model, job)
  const latents = job.scope.hold(await model.device.drawLatents({ noise, noiseRow, shape }))
  return {
    latents,
    condition,
    negative,
    guidanceScale,
    modulation: modulation.tensor,
    steps,
    noise,
    noiseRow,
    clean:
      stage === 'prior' && run.previews ? job.scope.hold(await model.device.affine(latents, 1, 0)) : null,
  }
}

/** Has the texts encoded that a job's stage will read: before others are prepared, so that the encoder's weights come once for all. */
export async function readTexts(
  stage: 'prior' | 'decoder',
  model: Model,
  { run, image }: Job,
): Promise<void> {
  const keys = run.request[stage].guided ? [image.promptKey, image.negativeKey] : [image.promptKey]
  for (const key of keys) {
    if (stage === 'decoder') await decoderText(model, run, key)
    else if (!run.priorConditions.has(key)) await priorText(model, run, key)
  }
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
    return run.scope.hold(await embed(model.device, model.priorTextEncoder, run.prompt(key).prior))
  })
}

/** Tokens go through the text encoder; what one made of them before is taken as it is. */
export function embed(
  device: NativeDevice,
  encoder: TextEncoder,
  source: Tokens | FloatTensor,
): Promise<NativeTensor> {
  return 'ids' in source ? encoder.encode(source) : device.write({ dtype: 'float32', ...source })
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
    return run.scope.hold(await embed(model.device, model.decoderTextEncoder, run.prompt(key).decoder))
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
