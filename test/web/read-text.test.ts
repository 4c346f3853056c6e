import sharp from 'sharp'
import { textFields } from '../../lib/image/metadata'
import { withText } from '../../lib/image/png-text'
import { readMetadata, textOf } from '../../web/png/read-text'
import { parametersWith } from '../support/parameters'

const METADATA = parametersWith({ prompt: 'ein Würstchen, 焼き' })
let plain: Buffer
beforeAll(async () => {
  plain = await sharp({ create: { width: 4, height: 4, channels: 3, background: 'red' } })
    .png()
    .toBuffer()
})
const ours = (fields = textFields(METADATA)) => withText(plain, fields)

describe('readMetadata()', () => {
  it('reads what the package writes', () => {
    expect(readMetadata(ours())).toEqual(METADATA)
    expect(
      readMetadata(ours(textFields({ ...METADATA, priorTimesteps: null, priorGuidanceScale: null }))),
    ).toEqual(expect.objectContaining({ priorTimesteps: null }))
  })

  it('reads how prompts were read, LoRAs and words, and nothing that cannot be', () => {
    const more = {
      promptSyntax: 'compel',
      longPrompts: 'chunk',
      loras: [{ name: 'style', scale: 0.5 }],
      textualInversions: ['<x>'],
    } as const
    expect(readMetadata(ours(textFields({ ...METADATA, ...more })))).toEqual({ ...METADATA, ...more })
    const wrong = [
      { promptSyntax: 'x' },
      { longPrompts: 1 },
      { loras: [{}] },
      { loras: {} },
      { textualInversions: [1] },
    ]
    for (const fields of wrong)
      expect(readMetadata(ours({ wuerstchen: JSON.stringify({ ...METADATA, ...fields }) }))).toBeNull()
  })

  it('is null for other pictures, other files, and texts that are no settings', () => {
    const texts = ['{', 'null', '[]', '{"prompt": 1}', JSON.stringify({ ...METADATA, decoderTimesteps: 'x' })]
    for (const wuerstchen of texts) expect(readMetadata(ours({ wuerstchen }))).toBeNull()
    for (const file of [plain, Buffer.alloc(0), Buffer.from('GIF89a'), Buffer.alloc(1000)])
      expect(readMetadata(file)).toBeNull()
  })

  it('survives any cut', () => {
    const png = ours()
    let found = 0
    for (let end = 0; end <= png.length; end++) if (readMetadata(png.subarray(0, end)) !== null) found++
    expect(found).toBeGreaterThan(0)
    expect(found).toBeLessThan(png.length)
  })
})

describe('textOf()', () => {
  it('finds its keyword and no other that begins like it', () => {
    const png = ours({ wuerstchens: 'more', wuerstchen: 'one', Description: 'a picture' })
    expect(textOf(png, 'wuerstchen')).toBe('one')
    expect(textOf(png, 'Description')).toBe('a picture')
    expect(textOf(png, 'Desc')).toBeNull()
  })

  it('reads no compressed text', () => {
    const png = ours({ wuerstchen: 'one' })
    png[png.indexOf('wuerstchen') + 'wuerstchen'.length + 1] = 1
    expect(textOf(png, 'wuerstchen')).toBeNull()
  })
})
