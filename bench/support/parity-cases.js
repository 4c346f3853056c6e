'use strict'
// The requests on which our pictures must equal diffusers'. Shared by the test and the table.

/** Strictly descending, not evenly: what a user might write by hand. */
const CUSTOM_TIMESTEPS = [1, 0.93, 0.81, 0.6, 0.42, 0.2, 0.05, 0]

const small = {
  prompt: 'a red circle on a blue background',
  seed: 7,
  width: 256,
  height: 256,
  priorNumInferenceSteps: 8,
  priorGuidanceScale: 4,
  numInferenceSteps: 5,
  decoderGuidanceScale: 0,
}

/** `model`: 'small' has random weights, v2's shape at a tenth of its width; 'shapes' is the bundled, trained one. */
function parityCases({ defaultTimesteps }) {
  const { priorNumInferenceSteps: _prior, numInferenceSteps: _decoder, ...unscheduled } = small
  return [
    { name: '128x128', model: 'small', request: { ...small, width: 128, height: 128 } },
    { name: '256x256', model: 'small', request: small },
    { name: '512x384', model: 'small', request: { ...small, width: 512, height: 384, seed: 11 } },
    {
      name: '1024x768',
      model: 'small',
      request: { ...small, width: 1024, height: 768, priorNumInferenceSteps: 4, numInferenceSteps: 2 },
    },
    {
      name: 'another prompt',
      model: 'small',
      request: { ...small, prompt: 'Two GREEN stars, café — 星 🌟' },
    },
    { name: 'another seed', model: 'small', request: { ...small, seed: 2 ** 40 + 3 } },
    { name: 'no guidance', model: 'small', request: { ...small, priorGuidanceScale: 1 } },
    { name: 'guidance in both stages', model: 'small', request: { ...small, decoderGuidanceScale: 3 } },
    {
      name: 'negative prompt',
      model: 'small',
      request: { ...small, negativePrompt: 'grey', decoderGuidanceScale: 2 },
    },
    { name: 'three images per prompt', model: 'small', request: { ...small, numImagesPerPrompt: 3 } },
    {
      name: 'three images, guided twice',
      model: 'small',
      request: { ...small, numImagesPerPrompt: 3, decoderGuidanceScale: 2, negativePrompt: 'cat' },
    },
    {
      name: 'custom timesteps',
      model: 'small',
      request: { ...unscheduled, priorTimesteps: CUSTOM_TIMESTEPS, decoderTimesteps: [1, 0.7, 0.3, 0] },
    },
    {
      name: 'DEFAULT_STAGE_C_TIMESTEPS',
      model: 'small',
      request: { ...unscheduled, priorTimesteps: defaultTimesteps, numInferenceSteps: 5 },
    },
    {
      name: 'prior(), then decode()',
      model: 'small',
      halves: true,
      request: { ...small, numImagesPerPrompt: 2, decoderGuidanceScale: 2, negativePrompt: 'cat' },
    },
    {
      name: 'prior(), then decode() with its own seed',
      model: 'small',
      halves: true,
      request: { ...small, numImagesPerPrompt: 2, decoderSeed: 12 },
    },
    {
      name: 'bundled, default',
      model: 'shapes',
      request: { ...unscheduled, priorTimesteps: defaultTimesteps, numInferenceSteps: 12 },
    },
    {
      name: 'bundled, 384x256',
      model: 'shapes',
      request: { ...small, prompt: 'a green star', width: 384, height: 256 },
    },
    {
      name: 'bundled, four images',
      model: 'shapes',
      request: { ...small, prompt: 'a yellow house on a black background', numImagesPerPrompt: 4 },
    },
  ]
}

/** The pictures of a case, made by `pipeline` in one call or, where the case says so, in two. */
async function picturesOf(pipeline, { request, halves = false }) {
  const { prompt, ...options } = request
  if (!halves) return (await pipeline.generate(prompt, options)).images
  const { decoderSeed, seed, numImagesPerPrompt, ...rest } = options
  const isPriors = ([name]) =>
    name.startsWith('prior') || ['width', 'height', 'negativePrompt'].includes(name)
  const entries = Object.entries(rest)
  const forPrior = Object.fromEntries(entries.filter(isPriors))
  const forDecoder = Object.fromEntries(entries.filter((entry) => !isPriors(entry)))
  const { embeddings } = await pipeline.prior(prompt, { ...forPrior, seed, numImagesPerPrompt })
  return (await pipeline.decode(embeddings, { ...forDecoder, seed: decoderSeed })).images
}

module.exports = { picturesOf, parityCases, CUSTOM_TIMESTEPS }
