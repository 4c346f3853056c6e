import type { ImageMetadata } from '../api/types'

/** A picture's settings as rows of a table: name and value. */
export function describeMetadata(metadata: ImageMetadata): readonly (readonly [string, string])[] {
  const { negativePrompt, priorTimesteps, priorGuidanceScale, decoderTimesteps, images } = metadata
  const rows: [string, string | null][] = [
    ['Prompt', metadata.prompt],
    ['Negative prompt', negativePrompt === '' ? null : negativePrompt],
    ['Prompt syntax', metadata.promptSyntax ?? null],
    ['Long prompts', metadata.longPrompts === 'chunk' ? 'read in pieces' : null],
    ['Words', metadata.textualInversions?.join(', ') ?? null],
    ['LoRAs', metadata.loras?.map(({ name, scale }) => `${name} ${scale}`).join(', ') ?? null],
    ['Size', `${metadata.width} × ${metadata.height}`],
    ['Seed', `${metadata.seed}`],
    ['Picture', images > 1 ? `${metadata.image + 1} of ${images} of this seed` : null],
    ['Prior steps', priorTimesteps === null ? null : `${priorTimesteps.length - 1}`],
    ['Prior guidance', priorGuidanceScale === null ? null : `${priorGuidanceScale}`],
    ['Decoder steps', `${decoderTimesteps.length - 1}`],
    ['Decoder guidance', `${metadata.decoderGuidanceScale}`],
    ['Model', `${metadata.model}, ${metadata.dtype}`],
  ]
  return rows.filter((row): row is [string, string] => row[1] !== null)
}

/** Why the picture cannot be made again, or not exactly; null where it can. */
export function doubtOf(metadata: ImageMetadata, server: { models: readonly string[]; maxImages: number }) {
  if (metadata.priorTimesteps === null)
    return 'This picture was made from image embeddings. Its prompt alone makes another picture.'
  if (metadata.images > server.maxImages)
    return `This picture is one of ${metadata.images} of its seed. The server makes at most ${server.maxImages} at once, so that the new picture differs.`
  if (server.models.length > 0 && !server.models.includes(metadata.model))
    return `This picture was made by the model ${metadata.model}. The server has ${server.models.join(', ')}, so that the new picture differs.`
  return null
}
