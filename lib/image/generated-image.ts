import type { Sharp } from 'sharp'
import { checkNames, checkObject } from '../checks/names'
import { InvalidArgumentError } from '../errors'
import { saveFile } from '../files/save'
import {
  checkFormat,
  type FileOptions,
  type FormatOptions,
  formatOf,
  type ImageFormat,
  optionNames,
} from './formats'
import type { ImageMetadata } from './metadata'
import { textFields } from './metadata'
import { withText } from './png-text'
import { encoded, loadSharp } from './sharp'

/** A picture: plain pixels and the parameters that made them. It is encoded on demand. */
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
   * @throws InvalidArgumentError for another format, or an option that the format does not have. WuerstchenError (SHARP_FAILED)
   * for what the format cannot hold, such as a WebP of more than 16,383 pixels a side.
   */
  async toBuffer<Format extends ImageFormat = 'png'>(
    format?: Format,
    options: FormatOptions[Format] = {},
  ): Promise<Buffer> {
    const wanted = checkFormat(format === undefined ? 'png' : format)
    checkNames(options, optionNames(wanted))
    const image = encoder(await this.toSharp(), wanted, options)
    const what = `encode ${this.width}x${this.height} pixels as ${wanted}`
    const bytes = await encoded(what, () => image.toBuffer())
    return wanted === 'png' ? withText(bytes, textFields(this.metadata)) : bytes
  }

  /**
   * Writes the picture to a file, whole or not at all.
   * @param path ends in .png, .jpg, .jpeg, .webp, .avif, .tif or .tiff, unless `format` is given.
   * @param options `format`, and sharp's options of that format, such as `quality`.
   * @throws InvalidArgumentError for another ending or an option that the format does not have. WuerstchenError
   * (FILE_NOT_WRITTEN) when the file cannot be written, (SHARP_FAILED) as for `toBuffer()`.
   */
  async toFile(path: string, options: FileOptions = {}): Promise<void> {
    checkObject('options', options)
    const { format, ...encoding } = options
    await saveFile(path, await this.toBuffer(formatOf(path, format), encoding))
  }

  /**
   * The pixels as a sharp image, for whatever sharp can do; its errors are sharp's own.
   * @throws WuerstchenError (SHARP_FAILED) where sharp cannot be loaded.
   */
  async toSharp(): Promise<Sharp> {
    const sharp = loadSharp()
    return sharp(this.data, { raw: { width: this.width, height: this.height, channels: 3 } })
  }
}

/** sharp checks the values of its options. */
function encoder(image: Sharp, format: ImageFormat, options: object): Sharp {
  try {
    return image.toFormat(format, options)
  } catch (cause) {
    throw new InvalidArgumentError((cause as Error).message, { cause })
  }
}
