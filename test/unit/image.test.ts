import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { crop } from '../../lib/image/crop'
import { formatOf } from '../../lib/image/formats'
import { GeneratedImage } from '../../lib/image/generated-image'
import { type ImageMetadata, readParameters } from '../../lib/image/metadata'
import { parametersWith } from '../support/parameters'

const METADATA = parametersWith({
  prompt: 'eine Würstchenbude 🌭 "nachts"\nim Regen',
  image: 0,
  images: 1,
  width: 3,
  height: 2,
})
const PIXELS = Uint8Array.from({ length: 18 }, (_, index) => index * 14)

function picture(): GeneratedImage {
  return new GeneratedImage(PIXELS, 3, 2, METADATA)
}

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'image-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

describe('GeneratedImage#toBuffer()', () => {
  it('keeps every pixel in a PNG', async () => {
    const { data, info } = await sharp(await picture().toBuffer())
      .raw()
      .toBuffer({ resolveWithObject: true })
    expect(info).toMatchObject({ width: 3, height: 2, channels: 3 })
    expect(new Uint8Array(data)).toEqual(PIXELS)
  })

  it.each(['png', 'jpeg', 'webp', 'avif', 'tiff'] as const)('encodes %s', async (format) => {
    const encoded = await picture().toBuffer(format)
    const { format: found, width } = await sharp(encoded).metadata()
    expect([found, width]).toEqual([format === 'avif' ? 'heif' : format, 3])
  })

  it('passes options on to the encoder', async () => {
    const image = new GeneratedImage(
      new Uint8Array(64 * 64 * 3).map((_, i) => (i * 31) % 251),
      64,
      64,
      METADATA,
    )
    const small = await image.toBuffer('jpeg', { quality: 10 })
    expect(small.length).toBeLessThan((await image.toBuffer('jpeg', { quality: 100 })).length)
  })

  it.each([null, 7, ['png'], { format: 'png' }])('refuses %j for a format', async (wrong) => {
    await expect(picture().toBuffer(wrong as never)).rejects.toMatchObject({ details: { name: 'format' } })
  })

  it('refuses a format that it does not know', async () => {
    await expect(picture().toBuffer('gif' as 'png')).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_INVALID_ARGUMENT',
      message: "Expected format to be one of png, jpeg, webp, avif, tiff but received 'gif'",
    })
  })
})

describe('GeneratedImage#toFile()', () => {
  it("passes sharp's options on, and refuses those that the format does not have", async () => {
    const large = new GeneratedImage(
      Uint8Array.from({ length: 3 * 64 * 64 }, (_, i) => (i * i) % 251),
      64,
      64,
      METADATA,
    )
    const [fine, coarse] = [join(folder, 'fine.jpg'), join(folder, 'coarse.jpg')]
    await large.toFile(fine, { quality: 95 })
    await large.toFile(coarse, { quality: 10 })
    expect(readFileSync(coarse).length).toBeLessThan(readFileSync(fine).length / 2)
    const refused = async (options: object) =>
      large.toFile(join(folder, 'no.jpg'), options).catch((error) => error)
    expect(await refused({ qualty: 80 })).toMatchObject({
      code: 'ERR_WUERSTCHEN_INVALID_ARGUMENT',
      message: "Unknown option 'qualty'. Did you mean 'quality'?",
    })
    expect(await refused({ quality: 101 })).toMatchObject({
      code: 'ERR_WUERSTCHEN_INVALID_ARGUMENT',
      message: expect.stringContaining('quality'),
    })
    expect(existsSync(join(folder, 'no.jpg'))).toBe(false)
  })

  it('takes the format from the name', async () => {
    await picture().toFile(join(folder, 'a.JPG'))
    expect((await sharp(join(folder, 'a.JPG')).metadata()).format).toBe('jpeg')
  })

  it('takes the format that it is given', async () => {
    await picture().toFile(join(folder, 'a.bin'), { format: 'webp' })
    expect((await sharp(join(folder, 'a.bin')).metadata()).format).toBe('webp')
  })

  it('refuses a name that says no format', async () => {
    await expect(picture().toFile(join(folder, 'a'))).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_INVALID_ARGUMENT',
    })
    expect(readdirSync(folder)).toEqual([])
  })

  it('replaces a file as a whole', async () => {
    const file = join(folder, 'a.png')
    writeFileSync(file, 'old')
    await picture().toFile(file)
    expect(readFileSync(file).subarray(1, 4).toString()).toBe('PNG')
    expect(readdirSync(folder)).toEqual(['a.png'])
  })

  it('leaves nothing behind when it cannot write', async () => {
    await expect(picture().toFile(join(folder, 'missing', 'a.png'))).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_FILE_NOT_WRITTEN',
      cause: { code: 'ENOENT' },
    })
    expect(existsSync(join(folder, 'missing'))).toBe(false)
  })
})

describe('what sharp cannot do', () => {
  const code = 'ERR_WUERSTCHEN_SHARP_FAILED'

  it('has a code: a picture too wide for its format, or of too few pixels', async () => {
    const wide = new GeneratedImage(new Uint8Array(16_384 * 3), 16_384, 1, METADATA)
    await expect(wide.toBuffer('webp')).rejects.toMatchObject({
      code,
      message: expect.stringMatching(/^Expected sharp to encode 16384x1 pixels as webp but .*too large/),
    })
    await expect(wide.toFile(join(folder, 'wide.webp'))).rejects.toMatchObject({ code })
    const short = new GeneratedImage(PIXELS.subarray(3), 3, 2, METADATA)
    await expect(short.toBuffer()).rejects.toMatchObject({ code })
    expect(readdirSync(folder)).toEqual([])
  })

  it('has one where sharp itself cannot be loaded', async () => {
    await jest.isolateModulesAsync(async () => {
      jest.doMock('sharp', () => {
        throw new Error('Could not load the "sharp" module using the plan9-mips runtime')
      })
      const { loadSharp } = require('../../lib/image/sharp') as typeof import('../../lib/image/sharp')
      const message = expect.stringMatching(/^Expected sharp to be loaded but Could not load .*plan9-mips/)
      expect(loadSharp).toThrow(expect.objectContaining({ code, message }))
    })
    jest.dontMock('sharp')
  })
})

describe('readParameters()', () => {
  it('reads back what made a picture, from bytes or a file', async () => {
    const file = join(folder, 'a.png')
    await picture().toFile(file)
    expect(await readParameters(file)).toEqual(METADATA)
    expect(await readParameters(readFileSync(file))).toEqual(METADATA)
  })

  it('finds the caption where viewers look for it', async () => {
    const { comments } = await sharp(await picture().toBuffer()).metadata()
    expect(comments).toContainEqual({ keyword: 'Description', text: METADATA.prompt })
    expect(comments).toContainEqual({ keyword: 'Software', text: expect.stringMatching(/^wuerstchen \d/) })
  })

  const written = async (metadata: object) => {
    const image = new GeneratedImage(PIXELS, 3, 2, { ...METADATA, ...metadata } as ImageMetadata)
    return readParameters(await image.toBuffer())
  }

  it('reads how the prompts were read, and the LoRAs and words, and nothing else', async () => {
    const more = {
      promptSyntax: 'a1111',
      longPrompts: 'chunk',
      loras: [{ name: 'style', scale: -0.5 }],
      textualInversions: ['<thing>'],
    }
    expect(await written(more)).toEqual({ ...METADATA, ...more })
    const loras = [{ name: 'style', scale: 1, path: '/etc/passwd' }]
    expect(await written({ loras, steps: 7, constructor: 1 })).toEqual({
      ...METADATA,
      loras: [{ name: 'style', scale: 1 }],
    })
  })

  it.each([
    { promptSyntax: 'plain' },
    { promptSyntax: 7 },
    { longPrompts: true },
    { loras: 'style' },
    { loras: [null] },
    { loras: [{ name: 'style' }] },
    { loras: [{ name: 'x'.repeat(201), scale: 1 }] },
    { loras: Array.from({ length: 1001 }, () => ({ name: 'x', scale: 1 })) },
    { textualInversions: [7] },
    { textualInversions: { 0: 'x' } },
  ])('is null for fields that cannot be: %j', async (fields) => {
    expect(await written(fields)).toBeNull()
  })

  it.each([null, undefined, 7, {}, '', []])('refuses %j', async (png) => {
    await expect(readParameters(png as never)).rejects.toMatchObject({ details: { name: 'png' } })
  })

  it('rejects with a code for what is no picture', async () => {
    const text = join(folder, 'text.png')
    writeFileSync(text, 'no picture')
    for (const file of [join(folder, 'nope.png'), text, folder]) {
      await expect(readParameters(file)).rejects.toMatchObject({
        code: 'ERR_WUERSTCHEN_FILE_NOT_READ',
        message: expect.stringContaining(`Expected ${file} to be a picture that can be read but `),
        details: { file },
        cause: expect.objectContaining({ message: expect.any(String) }),
      })
    }
    for (const bytes of [new Uint8Array(0), Buffer.from('no picture')])
      await expect(readParameters(bytes)).rejects.toMatchObject({ code: 'ERR_WUERSTCHEN_FILE_NOT_READ' })
  })

  it('is null for a picture of somebody else', async () => {
    const { data, width, height } = picture()
    const png = await sharp(data, { raw: { width, height, channels: 3 } })
      .png()
      .toBuffer()
    expect(await readParameters(png)).toBeNull()
  })
})

describe('formatOf()', () => {
  it('knows endings in any case', () => {
    expect(['a.png', 'b.JPEG', 'c.tif', 'd.x/e.webp'].map((path) => formatOf(path))).toEqual([
      'png',
      'jpeg',
      'tiff',
      'webp',
    ])
  })

  it.each(['', 'a', 'a.gif', '.png'])('refuses %j', (path) => {
    expect(() => formatOf(path)).toThrow(expect.objectContaining({ code: 'ERR_WUERSTCHEN_INVALID_ARGUMENT' }))
  })
})

describe('crop()', () => {
  const pixels = { data: PIXELS, width: 3, height: 2 }

  it('takes the requested part', () => {
    const right = crop(pixels, { left: 1, top: 1, width: 2, height: 1 })
    expect(right).toEqual(PIXELS.slice(12, 18))
  })

  it('copies nothing when that is all', () => {
    expect(crop(pixels, { left: 0, top: 0, width: 3, height: 2 })).toBe(PIXELS)
  })
})
