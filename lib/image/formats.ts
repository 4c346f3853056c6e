/** Picture formats, the endings of their files, and sharp's options of each. */
import { extname } from 'node:path'
import type { AvifOptions, JpegOptions, PngOptions, TiffOptions, WebpOptions } from 'sharp'
import { expected, InvalidArgumentError } from '../errors'

/** Encoder options of sharp, by format. */
export interface FormatOptions {
  png: PngOptions
  jpeg: JpegOptions
  webp: WebpOptions
  avif: AvifOptions
  tiff: TiffOptions
}
export type ImageFormat = keyof FormatOptions

/** Options of `toFile()`: the format, unless the file's name tells it, and sharp's options of that format. */
export type FileOptions = { readonly format?: ImageFormat | undefined } & {
  [Format in ImageFormat]: FormatOptions[Format]
}[ImageFormat]

const EXTENSIONS: Readonly<Record<string, ImageFormat>> = {
  '.png': 'png',
  '.jpg': 'jpeg',
  '.jpeg': 'jpeg',
  '.webp': 'webp',
  '.avif': 'avif',
  '.tif': 'tiff',
  '.tiff': 'tiff',
}

/** Every option of every format. The compiler sees to it that none is missing. */
const OPTIONS: { readonly [Format in ImageFormat]: Readonly<Record<keyof FormatOptions[Format], true>> } = {
  png: {
    force: true,
    progressive: true,
    compressionLevel: true,
    adaptiveFiltering: true,
    quality: true,
    effort: true,
    palette: true,
    colours: true,
    colors: true,
    dither: true,
  },
  jpeg: {
    force: true,
    quality: true,
    progressive: true,
    chromaSubsampling: true,
    trellisQuantisation: true,
    overshootDeringing: true,
    optimiseScans: true,
    optimizeScans: true,
    optimiseCoding: true,
    optimizeCoding: true,
    quantisationTable: true,
    quantizationTable: true,
    mozjpeg: true,
  },
  webp: {
    force: true,
    loop: true,
    delay: true,
    quality: true,
    alphaQuality: true,
    lossless: true,
    nearLossless: true,
    smartSubsample: true,
    smartDeblock: true,
    effort: true,
    minSize: true,
    mixed: true,
    preset: true,
    exact: true,
  },
  avif: {
    force: true,
    quality: true,
    lossless: true,
    effort: true,
    chromaSubsampling: true,
    bitdepth: true,
    tune: true,
  },
  tiff: {
    force: true,
    quality: true,
    compression: true,
    bigtiff: true,
    predictor: true,
    pyramid: true,
    tile: true,
    tileWidth: true,
    tileHeight: true,
    xres: true,
    yres: true,
    bitdepth: true,
    miniswhite: true,
    resolutionUnit: true,
  },
}

/** sharp's option names of a format. */
export function optionNames(format: ImageFormat): readonly string[] {
  return Object.keys(OPTIONS[format])
}

/** The format that a file's name asks for, or the one that is named. */
export function formatOf(path: string, format?: ImageFormat): ImageFormat {
  if (typeof path !== 'string' || path === '') throw expected('path', 'a file name', path)
  if (format !== undefined) return checkFormat(format)
  const known = EXTENSIONS[extname(path).toLowerCase()]
  if (known !== undefined) return known
  throw new InvalidArgumentError(
    `Expected path to end in one of ${Object.keys(EXTENSIONS).join(', ')} but received '${path}'`,
    { details: { name: 'path' } },
  )
}

export function checkFormat(format: ImageFormat): ImageFormat {
  if (typeof format === 'string' && Object.hasOwn(OPTIONS, format)) return format
  throw expected('format', `one of ${Object.keys(OPTIONS).join(', ')}`, format)
}
