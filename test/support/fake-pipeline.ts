import { Engine } from '../../lib/engine/engine'
import { Loras } from '../../lib/loading/loras'
import { WuerstchenPipeline } from '../../lib/pipeline/pipeline'
import type { RequestModel } from '../../lib/request/request'
import { FakeDevice } from './fake-device'
import { fakeModel } from './fake-model'
import { FAKE_TOKENIZER } from './fake-tokenizer'

const MODEL: RequestModel = {
  geometry: {
    resolutionMultiple: 32,
    latentStride: 4,
    multiple: 64,
    priorChannels: 16,
    latentChannels: 4,
    defaultWidth: 64,
    defaultHeight: 64,
  },
  defaults: { priorGuidanceScale: 4, priorSteps: null, decoderSteps: 12 },
  previews: true,
  tokenizers: { prior: FAKE_TOKENIZER, decoder: FAKE_TOKENIZER },
}

const RUN = { stored: 'float32', dtype: 'float32', kernels: null } as const

/** A whole pipeline but for the native half. */
export function fakePipeline(): { pipeline: WuerstchenPipeline; device: FakeDevice } {
  const device = new FakeDevice()
  const model = fakeModel(device)
  const engine = new Engine(model, { maxRows: 8, maxQueue: 8 })
  const info = {
    model: 'fake',
    commit: null,
    devices: ['cpu'],
    weights: {},
    defaultSize: { width: 128, height: 128 },
    defaultSteps: { prior: 29, decoder: 12 },
    previews: true,
    dtype: 'float32',
    threads: 1,
    stages: { prior: { ...RUN, text: RUN }, decoder: { ...RUN, text: RUN }, vqgan: RUN },
    compiled: [],
    cudaGraphs: null,
  } as const
  return {
    pipeline: WuerstchenPipeline.of(
      engine,
      MODEL,
      info,
      new Loras([model], { prior: [], priorTextEncoder: [], decoder: [] }),
      [model.memory],
    ),
    device,
  }
}

/** Steps small enough for a test, written out so that nothing depends on a default. */
export const FEW_STEPS = { priorNumInferenceSteps: 3, numInferenceSteps: 2, seed: 7 } as const
