/** What the networks' configs say about shapes, and whether they fit each other. */

import type { ModelGeometry } from '../diffusion/sizes'
import { type Fields, invalid } from '../files/json'
import type { OpenedComponent } from './component'

export type Networks = Readonly<
  Record<'priorTextEncoder' | 'prior' | 'decoderTextEncoder' | 'decoder' | 'vqgan', OpenedComponent>
>

const CHANNELS = { min: 1, max: 65536 }

// The fallbacks are the defaults of the classes in diffusers and transformers: a config may leave a field out that has them.
const hiddenSize = (text: Fields) => text.integer('hidden_size', CHANNELS, 512)
const priorChannels = (prior: Fields) => prior.integer('c_in', CHANNELS, 16)
const latentChannels = (decoder: Fields) => decoder.integer('c_in', CHANNELS, 4)

/** How many tokens the text encoder takes, how many different ones it knows, and how much it says of each. */
export function textLimits(text: Fields): { maxPositions: number; vocabularySize: number; channels: number } {
  return {
    channels: hiddenSize(text),
    maxPositions: text.integer('max_position_embeddings', { min: 2, max: 65536 }, 77),
    vocabularySize: text.integer('vocab_size', { min: 2, max: 1e7 }, 49408),
  }
}

/** Each network must take what the one before it gives; mixed-up folders show here. */
export function checkNetworks({
  priorTextEncoder,
  prior,
  decoderTextEncoder,
  decoder,
  vqgan,
}: Networks): void {
  checkEqual(
    prior.fields,
    'c_cond',
    1024,
    hiddenSize(priorTextEncoder.fields),
    'hidden_size of its text encoder',
  )
  checkEqual(
    decoder.fields,
    'clip_embd',
    1024,
    hiddenSize(decoderTextEncoder.fields),
    'hidden_size of its text encoder',
  )
  if (readsImageEmbeddings(decoder.fields))
    checkEqual(decoder.fields, 'effnet_embd', 16, priorChannels(prior.fields), "the prior's c_in")
  checkEqual(vqgan.fields, 'latent_channels', 4, latentChannels(decoder.fields), "the decoder's c_in")
  // The graph has it from the config: what latents are multiplied with.
  vqgan.fields.number('scale_factor', { min: 1e-6, max: 1e6 }, 0.3764)
}

function checkEqual(fields: Fields, name: string, fallback: number, wanted: number, whose: string): void {
  const value = fields.integer(name, CHANNELS, fallback)
  if (value !== wanted)
    throw invalid(fields.file, `Expected ${name} to be ${wanted}, ${whose}, but found ${value}`)
}

/** A decoder may be configured to read no image embeddings at all, as in diffusers' own fast tests. */
function readsImageEmbeddings(decoder: Fields): boolean {
  return decoder.list('inject_effnet', [false, true, true, true]).some(Boolean)
}

const DECODER_LEVELS = [320, 640, 1280, 1280]

/** v2: a VQGAN of 1/4 and a decoder that halves its patches of 2 three times, so pictures in multiples of 64. */
export function geometryOf(
  { prior, decoder, vqgan }: Networks,
  resolutionMultiple: number,
  [defaultWidth, defaultHeight]: readonly [number, number],
): ModelGeometry {
  const levels = vqgan.fields.integer('levels', { min: 1, max: 8 }, 2)
  const latentStride =
    vqgan.fields.integer('up_down_scale_factor', { min: 1, max: 16 }, 2) * 2 ** (levels - 1)
  const patch = decoder.fields.integer('patch_size', { min: 1, max: 16 }, 2)
  const decoderLevels = decoder.fields.list('c_hidden', DECODER_LEVELS).length
  const multiple = latentStride * patch * 2 ** (decoderLevels - 1)
  if (!(multiple <= 1024)) {
    throw invalid(
      decoder.fields.file,
      `Expected pictures in multiples of at most 1024 but its levels make ${multiple}`,
    )
  }
  return {
    resolutionMultiple,
    latentStride,
    multiple,
    priorChannels: priorChannels(prior.fields),
    latentChannels: latentChannels(decoder.fields),
    defaultWidth,
    defaultHeight,
  }
}
