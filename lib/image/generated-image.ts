import { extname } from 'node:path'
import type { AvifOptions, JpegOptions, PngOptions, Sharp, TiffOptions, WebpOptions } from 'sharp'
import { expected, InvalidArgumentError } from '../errors'
import { saveFile } from '../files/save'
import type { ImageMetadata } from './metadata'
import { textFields } from './metadata'
import { withText } from './png-text'

/** Encoder options of sharp, by format. */
export interface FormatOptions {
  png: PngOptions
  jpeg: JpegOptions
  webp: WebpOptions
  avif: AvifOptions
  tiff: TiffOptions
}
export type ImageFormat = keyof FormatOptions

const FORMATS: readonly ImageFormat[] = ['png', 'jpeg', 'webp', 'avif', 'tiff']
const EXTENSIONS: Readonly<Record<string, ImageFormat>> = {
  '.png': 'png',
  '.jpg': 'jpeg',
  '.jpeg': 'jpeg',
  '.webp': 'webp',
  '.avif': 'avif',
  '.tif': 'tiff',
  '.tiff': 'tiff',
}

/** A picture: plain pixels and how they came about. Encoding happens when it is asked for. */
export class GeneratedImage {
  constructor(
    /** 8-bit RGB, row-major from the top left: `width * height * 3` bytes. */
    readonly data: Uint8Array,
    /** Pixels. */
    readonly width: number,
    /** Pixels. */
    readonly height: number,
    /** Everything that made this picture. */
    readonly metadata: ImageMetadata,
  ) {}

  get seed(): number {
    return this.metadata.seed
  }

  /**
   * Encodes the picture. A PNG carries the caption and all options in text fields, which `readParameters` reads.
   * @param format `'png'`, `'jpeg'`, `'webp'`, `'avif'` or `'tiff'`. Defaults to `'png'`.
   * @param options sharp's options of that format.
   * @throws InvalidArgumentError for another format.
   */
  async toBuffer<Format extends ImageFormat = 'png'>(
    format?: Format,
    options?: FormatOptions[Format],
  ): Promise<Buffer> {
    const wanted = checkFormat(format ?? 'png')
    const image = await this.toSharp()
    const encoded = await image.toFormat(wanted, options).toBuffer()
    return wanted === 'png' ? withText(encoded, textFields(this.metadata)) : encoded
  }

  /**
   * Writes the picture to a file, whole or not at all.
   * @param path ends in .png, .jpg, .jpeg, .webp, .avif, .tif or .tiff, unless `format` is given.
   * @throws InvalidArgumentError for another ending; WuerstchenError (FILE_NOT_WRITTEN) when the file cannot be written.
   */
  async toFile(path: string, options: { readonly format?: ImageFormat | undefined } = {}): Promise<void> {
    const format = formatOf(path, options.format)
    await saveFile(path, await this.toBuffer(format))
  }

  /** The pixels as a sharp image, for whatever sharp can do. */
  async toSharp(): Promise<Sharp> {
    const { default: sharp } = await import('sharp')
    return sharp(this.data, { raw: { width: this.width, height: this.height, channels: 3 } })
  }
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

function checkFormat(format: ImageFormat): ImageFormat {
  if (FORMATS.includes(format)) return format
  throw expected('format', `one of ${FORMATS.join(', ')}`, format)
}
