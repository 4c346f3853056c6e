/** Steps and guidance of both denoising stages. */

import * as check from '../checks/values'
import { DEFAULT_STAGE_C_TIMESTEPS, linearTimesteps } from '../diffusion/scheduler'
import { expected } from '../errors'
import type { DecoderOptions, PriorOptions } from './options'

export interface StageRequest {
  /** Falling, to 0: one more than there are steps. */
  readonly timesteps: readonly number[]
  readonly guidanceScale: number
  /** guidanceScale > 1, as in diffusers: the negative prompt takes part. */
  readonly guided: boolean
}

const GUIDANCE = { min: 0, max: 100 }

/** What a model recommends for requests that do not say. */
export interface RequestDefaults {
  readonly priorGuidanceScale: number
  /** Null: `DEFAULT_STAGE_C_TIMESTEPS`. */
  readonly priorSteps: number | null
  readonly decoderSteps: number
}

/** Steps of Stage C and of Stage B where a request does not say. */
export function defaultStepsOf({ priorSteps, decoderSteps }: RequestDefaults): {
  readonly prior: number
  readonly decoder: number
} {
  return { prior: priorSteps ?? DEFAULT_STAGE_C_TIMESTEPS.length - 1, decoder: decoderSteps }
}

export function readPrior(given: PriorOptions, defaults: RequestDefaults): StageRequest {
  const { priorGuidanceScale = defaults.priorGuidanceScale } = given
  const { priorSteps } = defaults
  const recommended = priorSteps === null ? DEFAULT_STAGE_C_TIMESTEPS : linearTimesteps(priorSteps)
  return stageOf(
    readSchedule(given, 'priorNumInferenceSteps', 'priorTimesteps') ?? recommended,
    check.number('priorGuidanceScale', priorGuidanceScale, GUIDANCE),
  )
}

export function readDecoder(given: DecoderOptions, { decoderSteps }: RequestDefaults): StageRequest {
  const { decoderGuidanceScale = 0 } = given
  return stageOf(
    readSchedule(given, 'numInferenceSteps', 'decoderTimesteps') ?? linearTimesteps(decoderSteps),
    check.number('decoderGuidanceScale', decoderGuidanceScale, GUIDANCE),
  )
}

type Given = Readonly<Record<string, unknown>>

function readSchedule(
  given: object,
  stepsName: string,
  timestepsName: string,
): readonly number[] | undefined {
  const { [stepsName]: steps, [timestepsName]: timesteps } = given as Given
  if (steps === undefined)
    return timesteps === undefined ? undefined : check.timesteps(timestepsName, timesteps)
  if (timesteps !== undefined) throw expected(stepsName, `left out where ${timestepsName} is given`, steps)
  return linearTimesteps(check.stepCount(stepsName, steps))
}

function stageOf(timesteps: readonly number[], guidanceScale: number): StageRequest {
  return Object.freeze({ timesteps: Object.freeze(timesteps), guidanceScale, guided: guidanceScale > 1 })
}
