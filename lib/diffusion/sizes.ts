/** What a model's configs say about sizes. */
export interface ModelGeometry {
  /** Pixels per cell of the prior's grid: 42.67 in v2. */
  readonly resolutionMultiple: number
  /** Pixels per latent: 4 in v2, 8 in the bundled model. */
  readonly latentStride: number
  /** Pixels per cell of the decoder's deepest level: sizes are made whole multiples of it. */
  readonly multiple: number
  readonly priorChannels: number
  readonly latentChannels: number
  readonly defaultWidth: number
  readonly defaultHeight: number
}

/** Every size of one request. */
export interface LatentSizes {
  /** What is generated: at least what was asked for, in multiples of the model's `multiple`. */
  readonly pixelWidth: number
  readonly pixelHeight: number
  readonly priorWidth: number
  readonly priorHeight: number
  readonly latentWidth: number
  readonly latentHeight: number
  /** Where the requested picture lies in the generated one, in pixels: its middle. */
  readonly crop: {
    readonly left: number
    readonly top: number
    readonly width: number
    readonly height: number
  }
}

interface Size {
  readonly width: number
  readonly height: number
}

/**
 * The sizes of every stage for a picture. diffusers derives the latents from the prior's grid, which crashes for two
 * widths of three; the decoder accepts any grid beside latents of the right multiple, so both follow from the pixels.
 * For multiples of 128 pixels the result is diffusers' own.
 */
export function latentSizes({ width, height }: Size, model: ModelGeometry): LatentSizes {
  const pixelWidth = roundUp(width, model.multiple)
  const pixelHeight = roundUp(height, model.multiple)
  return {
    pixelWidth,
    pixelHeight,
    priorWidth: priorCells(pixelWidth, model),
    priorHeight: priorCells(pixelHeight, model),
    latentWidth: pixelWidth / model.latentStride,
    latentHeight: pixelHeight / model.latentStride,
    crop: {
      left: Math.floor((pixelWidth - width) / 2),
      top: Math.floor((pixelHeight - height) / 2),
      width,
      height,
    },
  }
}

/** The side of a picture, in pixels, whose prior has this many cells: a whole multiple, the nearest. */
export function sizeOfGrid(cells: number, { resolutionMultiple, multiple }: ModelGeometry): number {
  return Math.max(multiple, Math.round((cells * resolutionMultiple) / multiple) * multiple)
}

function roundUp(pixels: number, multiple: number): number {
  return Math.ceil(pixels / multiple) * multiple
}

function priorCells(pixels: number, { resolutionMultiple }: ModelGeometry): number {
  return Math.max(1, Math.round(pixels / resolutionMultiple))
}
