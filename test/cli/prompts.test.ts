/** Prompts of every kind from the command line, on the bundled model. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { type GenerateOptions, type WuerstchenPipeline as Pipeline, WuerstchenPipeline } from '../../lib'
import { encode } from '../../lib/embeddings/safetensors'
import { ensureDist, runCli } from '../support/node-process'
import { folderOf, removeFolders } from '../support/temporary-folder'

const FEW = { width: 64, height: 64, priorNumInferenceSteps: 3, numInferenceSteps: 1, seed: 7 } as const
const FLAGS = ['--width', '64', '--height', '64', '--steps', '3', '--decoder-steps', '1', '--seed', '7']
const CHANNELS = 128
const LONG = 'a red circle above a blue square and '.repeat(6)

let pipeline: Pipeline
beforeAll(async () => {
  ensureDist()
  pipeline = await WuerstchenPipeline.fromPretrained()
}, 120_000)
afterAll(async () => {
  await pipeline.dispose()
  removeFolders()
})

/** A file that teaches `<thing>`, as diffusers writes it. */
function word(): string {
  const file = join(folderOf({}), 'word.safetensors')
  const data = Float32Array.from({ length: CHANNELS }, (_, index) => Math.sin(7 * index))
  writeFileSync(file, encode({ '<thing>': { shape: [CHANNELS], data } }, {}))
  return file
}

async function painted(prompt: string, ...flags: string[]): Promise<{ pixels: Uint8Array; stderr: string }> {
  const file = join(folderOf({}), 'picture.png')
  const { status, stderr } = runCli(['generate', prompt, '-o', file, ...FLAGS, ...flags])
  expect([status, stderr]).toEqual([0, expect.any(String)])
  return { pixels: new Uint8Array(await sharp(file).removeAlpha().raw().toBuffer()), stderr }
}

async function pixels(prompt: string, options: GenerateOptions = {}): Promise<Uint8Array> {
  const { images } = await pipeline.generate(prompt, { ...FEW, ...options })
  return new Uint8Array((images[0] as { data: Uint8Array }).data)
}

describe('wuerstchen generate', () => {
  it.each([
    ['compel', 'a (red circle)1.5 and a square', 'a (blue)0.5 square'],
    ['a1111', 'a (red circle:1.5) and [a square|a star]', '(blue:0.5)'],
  ] as const)(
    'reads prompts and negative prompts with --prompt-syntax %s',
    async (promptSyntax, prompt, not) => {
      const { pixels: made } = await painted(
        prompt,
        '--prompt-syntax',
        promptSyntax,
        '--negative-prompt',
        not,
      )
      expect(made).toEqual(await pixels(prompt, { promptSyntax, negativePrompt: not }))
      expect(made).not.toEqual(await pixels(prompt, { negativePrompt: not }))
    },
  )

  it('says what is cut of a long prompt, and reads all of it with --long-prompts chunk', async () => {
    const [cut, whole] = [await painted(LONG), await painted(LONG, '--long-prompts', 'chunk')]
    expect(cut.stderr).toMatch(/warning: The text encoders read 32 tokens of prompt\. They do not see '/)
    expect(whole.stderr).not.toContain('They do not see')
    expect(cut.pixels).toEqual(await pixels(LONG))
    expect(whole.pixels).toEqual(await pixels(LONG, { longPrompts: 'chunk' }))
    expect(whole.pixels).not.toEqual(cut.pixels)
  })

  it('learns words from --embedding', async () => {
    const [prompt, file] = ['a <thing> on a white background', word()]
    const { pixels: made } = await painted(prompt, '--embedding', file)
    expect(made).not.toEqual(await pixels(prompt))
    await pipeline.loadTextualInversion(file)
    expect(made).toEqual(await pixels(prompt))
    await pipeline.unloadTextualInversion('<thing>')
  })
})
