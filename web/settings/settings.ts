import type { ImageMetadata, JobCreate } from '../api/types'

/** The form: texts as they were typed. An empty one is the server's default. */
export interface Settings {
  readonly prompt: string
  readonly negativePrompt: string
  /** How both are written; of a picture that is made again also whether long ones are read in pieces. */
  readonly promptSyntax: string
  readonly longPrompts: string
  readonly width: string
  readonly height: string
  readonly count: string
  readonly seed: string
  readonly priorSteps: string
  readonly priorGuidance: string
  readonly decoderSteps: string
  readonly decoderGuidance: string
  /** Schedules of a picture that is made again: exact, where a number of steps would be another spacing. */
  readonly priorTimesteps: readonly number[] | null
  readonly decoderTimesteps: readonly number[] | null
}

export const EMPTY: Settings = {
  prompt: '',
  negativePrompt: '',
  promptSyntax: '',
  longPrompts: '',
  width: '',
  height: '',
  count: '1',
  seed: '',
  priorSteps: '',
  priorGuidance: '',
  decoderSteps: '',
  decoderGuidance: '',
  priorTimesteps: null,
  decoderTimesteps: null,
}

export type FieldName = Exclude<keyof Settings, 'priorTimesteps' | 'decoderTimesteps'>

/** After an edit. A number of steps that is typed takes the place of a schedule. */
export function edited(settings: Settings, name: FieldName, value: string): Settings {
  const next = { ...settings, [name]: value }
  if (name === 'priorSteps') return { ...next, priorTimesteps: null }
  if (name === 'decoderSteps') return { ...next, decoderTimesteps: null }
  return next
}

/** The request that the form stands for. */
export function requestOf(settings: Settings, { previewEvery }: { previewEvery: number | null }): JobCreate {
  const { prompt, negativePrompt, priorTimesteps, decoderTimesteps } = settings
  const request: JobCreate = { prompt, output_format: 'png' }
  if (negativePrompt !== '') request.negative_prompt = negativePrompt
  for (const [field, param] of Object.entries(WORDS) as [keyof typeof WORDS, WordParam][]) {
    if (settings[field] !== '') Object.assign(request, { [param]: settings[field] })
  }
  if (previewEvery !== null) request.preview_every = previewEvery
  if (priorTimesteps !== null) request.prior_timesteps = [...priorTimesteps]
  if (decoderTimesteps !== null) request.decoder_timesteps = [...decoderTimesteps]
  for (const [field, param] of Object.entries(NUMBERS) as [keyof typeof NUMBERS, NumberParam][]) {
    const replaced = STEPS[field]
    const value = settings[field].trim()
    if (value !== '' && (replaced === undefined || settings[replaced] === null))
      request[param] = Number(value)
  }
  return request
}

/** What makes a picture again. Its place among the pictures of its seed needs all of them: `count` is theirs. */
export function settingsOf(metadata: ImageMetadata): Settings {
  const { priorTimesteps, decoderTimesteps, priorGuidanceScale } = metadata
  return {
    prompt: metadata.prompt,
    negativePrompt: metadata.negativePrompt,
    promptSyntax: metadata.promptSyntax ?? '',
    longPrompts: metadata.longPrompts ?? '',
    width: `${metadata.width}`,
    height: `${metadata.height}`,
    count: `${metadata.images}`,
    seed: `${metadata.seed}`,
    priorSteps: priorTimesteps === null ? '' : `${priorTimesteps.length - 1}`,
    priorGuidance: priorGuidanceScale === null ? '' : `${priorGuidanceScale}`,
    decoderSteps: `${decoderTimesteps.length - 1}`,
    decoderGuidance: `${metadata.decoderGuidanceScale}`,
    priorTimesteps,
    decoderTimesteps,
  }
}

/** The field that a refusal of the server is about. */
export function fieldOf(param: string | null): FieldName | null {
  if (param === 'prompt') return 'prompt'
  if (param === 'negative_prompt') return 'negativePrompt'
  if (param === 'prior_timesteps') return 'priorSteps'
  if (param === 'decoder_timesteps') return 'decoderSteps'
  const found = Object.entries({ ...NUMBERS, ...WORDS }).find(([, name]) => name === param)
  return (found?.[0] as FieldName | undefined) ?? null
}

const NUMBERS = {
  width: 'width',
  height: 'height',
  count: 'n',
  seed: 'seed',
  priorSteps: 'prior_num_inference_steps',
  priorGuidance: 'prior_guidance_scale',
  decoderSteps: 'num_inference_steps',
  decoderGuidance: 'decoder_guidance_scale',
} as const satisfies Partial<Record<FieldName, keyof JobCreate>>
type NumberParam = (typeof NUMBERS)[keyof typeof NUMBERS]

const WORDS = {
  promptSyntax: 'prompt_syntax',
  longPrompts: 'long_prompts',
} as const satisfies Partial<Record<FieldName, keyof JobCreate>>
type WordParam = (typeof WORDS)[keyof typeof WORDS]

const STEPS: Partial<Record<FieldName, 'priorTimesteps' | 'decoderTimesteps'>> = {
  priorSteps: 'priorTimesteps',
  decoderSteps: 'decoderTimesteps',
}
