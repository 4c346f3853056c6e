import { bug } from '../errors'
import type { NativeNoise, NativeTensor } from '../native/types'
import type { Job, Run } from './job'
import type { Model } from './model'

type Condition = readonly NativeTensor[]

/** Gives a job all that its first step in a denoising stage needs: modulation, conditions, noise to start from. */
export async function prepare(stage: 'prior' | 'decoder', model: Model, job: Job): Promise<void> {
  const { run, image } = job
  const { guided, guidanceScale } = run.request[stage]
  const steps = run.steps[stage]
  const modulation = job.scope.hold(await model[stage].modulation(steps))
  const condition = await (stage === 'prior'
    ? priorCondition(model, run, image.prompt)
    : decoderCondition(model, job))
  const negative = guided
    ? await (stage === 'prior' ? priorCondition : decoderNegative)(model, run, image.negativePrompt)
    : null
  run.throwIfEnded()
  const noise = noiseOf(model, job)
  const { noiseRow } = image
  const shape = latentShape(stage, model, job)
  const latents = job.scope.hold(await model.device.drawLatents({ noise, noiseRow, shape }))
  job.denoising = {
    latents,
    condition,
    negative,
    guidanceScale,
    modulation: modulation.tensor,
    steps,
    noise,
    noiseRow,
  }
}

/** Depends on the text alone, so all images of a request with this text share it. */
function priorCondition(model: Model, run: Run, text: string): Promise<Condition> {
  return once(run.priorConditions, text, async () => {
    run.throwIfEnded()
    const embeddings = await model.priorTextEncoder.encode(run.tokens(text).prior)
    try {
      run.throwIfEnded()
      return run.scope.holdAll(await model.prior.condition(embeddings))
    } finally {
      embeddings.dispose()
    }
  })
}

/** What one image's own embeddings and its prompt make. */
async function decoderCondition(model: Model, job: Job): Promise<Condition> {
  if (job.input === null) throw bug('Expected image embeddings before the decoder but there are none.')
  const text = await decoderText(model, job.run, job.image.prompt)
  job.run.throwIfEnded()
  return job.scope.holdAll(await model.decoder.condition(text, job.input, job.run.request.sizes))
}

/** The unguided half: the negative text, and zeros for image embeddings. Shared by the images of a request. */
function decoderNegative(model: Model, run: Run, text: string): Promise<Condition> {
  return once(run.decoderNegatives, text, async () => {
    const embeddings = await decoderText(model, run, text)
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

function decoderText(model: Model, run: Run, text: string): Promise<NativeTensor> {
  return once(run.decoderTexts, text, async () => {
    run.throwIfEnded()
    return run.scope.hold(await model.decoderTextEncoder.encode(run.tokens(text).decoder))
  })
}

/** A stream belongs to the request: its images draw their rows from it, through both stages. */
function noiseOf(model: Model, { run, image }: Job): NativeNoise {
  const known = run.noises.get(image.noiseStream)
  if (known !== undefined) return known
  const stream = run.request.streams[image.noiseStream]
  if (stream === undefined) throw bug(`Expected a noise stream ${image.noiseStream} but there is none.`)
  const noise = run.scope.hold(model.device.noise(stream))
  run.noises.set(image.noiseStream, noise)
  return noise
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
