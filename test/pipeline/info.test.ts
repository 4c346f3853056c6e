import { WuerstchenPipeline } from '../../lib'
import { loadRuntime } from '../../lib/native/binding'

const { cpu } = loadRuntime({})

describe('pipeline.info', () => {
  it('says what was loaded, and what runs on what', async () => {
    await using pipeline = await WuerstchenPipeline.fromPretrained(undefined, { threads: 1 })
    const { info } = pipeline
    expect(info).toMatchObject({
      model: 'shapes',
      commit: null,
      devices: ['cpu'],
      defaultSize: { width: 256, height: 256 },
      defaultSteps: { prior: 8, decoder: 4 },
      previews: true,
      dtype: 'float32',
      threads: 1,
      cudaGraphs: null,
    })
    expect(Object.keys(info.weights).sort()).toEqual([
      'decoder',
      'decoderTextEncoder',
      'previewer',
      'prior',
      'priorTextEncoder',
      'vqgan',
    ])
    for (const files of Object.values(info.weights))
      for (const file of files) expect(file).toMatch(/\.safetensors$/)
    const { prior, decoder, vqgan } = info.stages
    for (const run of [prior, decoder, vqgan, prior.text, decoder.text])
      expect(run.kernels?.kind ?? 'baseline').toBe(cpu.kind)
    expect(prior.text.kernels?.pack ?? 'none').toBe('none')
    const { images } = await pipeline.generate('a red circle', { seed: 1 })
    expect(images[0]).toMatchObject(info.defaultSize)
  })

  it('says that graphs run as they are where kernels are off', async () => {
    await using pipeline = await WuerstchenPipeline.fromPretrained(undefined, { kernels: 'off' })
    const { prior, decoder, vqgan } = pipeline.info.stages
    const runs = [prior, decoder, vqgan, prior.text, decoder.text]
    expect(runs.map(({ kernels }) => kernels)).toEqual([null, null, null, null, null])
  })
})
