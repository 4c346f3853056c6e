/** Mapped weights that come and go, through the real addon. Linux: it reads /proc. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadModel, openDevice } from '../../lib/loading/load'
import { planLoad } from '../../lib/loading/plan'
import { closeModel, type Model } from '../../lib/memory/loaded-model'
import type { Offload } from '../../lib/memory/residency'
import { openModel } from '../../lib/model/layout'
import { loadRuntime } from '../../lib/native/binding'
import { smallModel } from '../support/models'

const describeOnLinux =
  process.platform === 'linux'
    ? describe
    : (name: string, tests: () => void) => describe.skip(`${name} (SKIPPED: it reads /proc)`, tests)
const TEXT = { ids: new Int32Array(77).fill(3), mask: new Int32Array(77).fill(1), truncated: null }

async function load(offload: Offload): Promise<Model> {
  const small = smallModel()
  const files = await openModel(small.folder)
  const plan = await planLoad(files, [small.graphs])
  const { device } = openDevice(loadRuntime({}), 'cpu', 1)
  const float32 = { stored: 'float32', dtype: 'float32', rounding: 'float32' } as const
  const kernels = { kind: loadRuntime({}).cpu.kind, pack: 'none' as const, without: [] }
  const { model } = await loadModel(device, files, plan, {
    ...float32,
    kernels,
    offload,
    visits: false,
    recorder: null,
    maxMemory: null,
    threads: 2,
    cache: null,
  })
  return model
}

/** Bytes of a checkpoint's file that this process holds, in all its mappings of it. */
function resident(file: string): number {
  const entries = readFileSync('/proc/self/smaps', 'utf8').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)
  const ours = entries.filter((entry) => entry.split('\n', 1)[0]?.endsWith(file))
  return ours.reduce((sum, entry) => sum + 1024 * Number(/^Rss:\s+(\d+)/m.exec(entry)?.[1]), 0)
}

/** The text encoder runs, then the prior. */
async function run({ device, priorTextEncoder, prior }: Model): Promise<Float32Array> {
  const text = await priorTextEncoder.encode(TEXT)
  const [keys] = await prior.condition(text)
  if (keys === undefined) throw new Error('no condition')
  return (await device.read(keys)).data
}

describeOnLinux('Offloading', () => {
  const { prior, folder } = smallModel()
  const files = {
    text: join(prior, 'text_encoder', 'model.safetensors'),
    prior: join(prior, 'prior', 'diffusion_pytorch_model.safetensors'),
    vqgan: join(folder, 'vqgan', 'diffusion_pytorch_model.safetensors'),
  }
  let expected: Float32Array
  let everything: number

  beforeAll(async () => {
    const model = await load('none')
    expected = await run(model)
    everything = resident(files.text)
    await closeModel(model)
  })

  it('holds what was used without it', () => {
    expect(everything).toBeGreaterThan(100_000)
    expect(resident(files.text)).toBe(0) // all mappings are gone with the model
  })

  it.each(['model', 'sequential'] as const)(
    "'%s' lets a network go when the next one runs, and changes no number",
    async (offload) => {
      const model = await load(offload)
      expect(await run(model)).toEqual(expected)
      expect(resident(files.text)).toBeLessThan(everything / 8)
      expect(await run(model)).toEqual(expected) // pages came back
      await closeModel(model)
    },
  )

  it("'sequential' holds nothing of a network between its calls", async () => {
    const [whole, blocks] = [await load('model'), await load('sequential')]
    await run(whole)
    const held = resident(files.prior)
    await closeModel(whole)
    await run(blocks)
    expect(held).toBeGreaterThan(8192)
    expect(resident(files.prior)).toBeLessThan(Math.max(16_384, held / 4))
    await closeModel(blocks)
  })

  it('measures what a call takes at most', async () => {
    const model = await load('none')
    const picture = (tokens: number) => ({
      sizes: {
        priorHeight: 4,
        priorWidth: 4,
        latentHeight: 32,
        latentWidth: 32,
        pixelHeight: 128,
        pixelWidth: 128,
      },
      prior: { timesteps: [1, 0], guidanceScale: 4, guided: true },
      decoder: { timesteps: [1, 0], guidanceScale: 0, guided: false },
      part: 'generate' as const,
      tokens,
    })
    const before = model.memory.report(picture(77) as never)
    expect(before.peak).toBe(before.held)
    await run(model)
    const after = model.memory.report(picture(77) as never)
    expect(after.stages.prior.peak).toBeGreaterThan(after.held)
    expect(after.stages.prior.peak).toBeLessThan(after.held + 50e6)
    await closeModel(model)
  })
})
