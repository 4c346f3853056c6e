import { describeMetadata, doubtOf } from '../../web/settings/describe'
import { EMPTY, edited, fieldOf, requestOf, settingsOf } from '../../web/settings/settings'
import { parametersWith } from '../support/parameters'

const METADATA = parametersWith({ negativePrompt: 'a square' })
const SERVER = { models: ['shapes'], maxImages: 10 }

describe('requestOf()', () => {
  it('sends nothing that was not typed', () => {
    expect(requestOf({ ...EMPTY, prompt: 'x', count: '' }, { previewEvery: null })).toEqual({
      prompt: 'x',
      output_format: 'png',
    })
  })

  it('sends zeros, and previews where the model has them', () => {
    const typed = { ...EMPTY, prompt: 'x', seed: '0', decoderGuidance: '0', priorSteps: '20' }
    expect(requestOf(typed, { previewEvery: 2 })).toEqual({
      prompt: 'x',
      output_format: 'png',
      preview_every: 2,
      n: 1,
      seed: 0,
      prior_num_inference_steps: 20,
      decoder_guidance_scale: 0,
    })
  })

  it('makes a picture again with its own schedules, until a number of steps is typed', () => {
    const again = settingsOf(METADATA)
    expect(requestOf(again, { previewEvery: null })).toEqual({
      prompt: 'a red circle',
      negative_prompt: 'a square',
      output_format: 'png',
      width: 128,
      height: 64,
      n: 2,
      seed: 7,
      prior_timesteps: [1, 0.5, 0],
      prior_guidance_scale: 4,
      decoder_timesteps: [1, 0],
      decoder_guidance_scale: 0,
    })
    const faster = edited(again, 'priorSteps', '9')
    expect(requestOf(faster, { previewEvery: null })).toMatchObject({ prior_num_inference_steps: 9 })
    expect(requestOf(faster, { previewEvery: null })).not.toHaveProperty('prior_timesteps')
    expect(requestOf(faster, { previewEvery: null })).toHaveProperty('decoder_timesteps')
  })
})

describe('how prompts are read', () => {
  it('is sent where it was chosen, or stands in the picture', () => {
    const typed = { ...EMPTY, prompt: '(x)1.2', promptSyntax: 'compel', longPrompts: 'chunk' }
    const request = requestOf(typed, { previewEvery: null })
    expect(request).toMatchObject({ prompt_syntax: 'compel', long_prompts: 'chunk' })
    const again = settingsOf({ ...METADATA, promptSyntax: 'a1111' })
    expect(requestOf(again, { previewEvery: null })).toMatchObject({ prompt_syntax: 'a1111' })
    expect(requestOf(again, { previewEvery: null })).not.toHaveProperty('long_prompts')
    expect(['prompt_syntax', 'long_prompts'].map(fieldOf)).toEqual(['promptSyntax', 'longPrompts'])
    const more = {
      promptSyntax: 'compel',
      loras: [{ name: 'style', scale: 0.5 }],
      textualInversions: ['<x>'],
    } as const
    expect(describeMetadata({ ...METADATA, ...more })).toEqual(
      expect.arrayContaining([
        ['Prompt syntax', 'compel'],
        ['LoRAs', 'style 0.5'],
        ['Words', '<x>'],
      ]),
    )
  })
})

describe('fieldOf()', () => {
  it('finds the field of a refusal', () => {
    expect(['n', 'prior_timesteps', 'decoder_guidance_scale', 'priority', null].map(fieldOf)).toEqual([
      'count',
      'priorSteps',
      'decoderGuidance',
      null,
      null,
    ])
  })
})

describe('what the page says of a picture', () => {
  it('has its place among those of its seed, and no empty rows', () => {
    expect(describeMetadata(METADATA)).toContainEqual(['Picture', '2 of 2 of this seed'])
    const names = describeMetadata({ ...METADATA, negativePrompt: '', images: 1 }).map(([name]) => name)
    expect(names).not.toContain('Picture')
    expect(names).not.toContain('Negative prompt')
  })

  it('names why it cannot be made again exactly', () => {
    expect(doubtOf(METADATA, SERVER)).toBeNull()
    expect(doubtOf({ ...METADATA, priorTimesteps: null }, SERVER)).toMatch(/image embeddings/)
    expect(doubtOf({ ...METADATA, images: 11 }, SERVER)).toMatch(/one of 11/)
    expect(doubtOf(METADATA, { ...SERVER, models: ['other'] })).toMatch(/model shapes/)
  })
})
