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

export function readPrior(given: PriorOptions, defaultGuidanceScale: number): StageRequest {
  const { priorGuidanceScale = defaultGuidanceScale } = given
  return stageOf(
    readSchedule(given, 'priorNumInferenceSteps', 'priorTimesteps') ?? DEFAULT_STAGE_C_TIMESTEPS,
    check.number('priorGuidanceScale', priorGuidanceScale, GUIDANCE),
  )
}

export function readDecoder(given: DecoderOptions): StageRequest {
  const { decoderGuidanceScale = 0 } = given
  return stageOf(
    readSchedule(given, 'numInferenceSteps', 'decoderTimesteps') ?? linearTimesteps(12),
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
