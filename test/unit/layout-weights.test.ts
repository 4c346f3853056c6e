import { join } from 'node:path'
import { openModel } from '../../lib/model/layout'
import { priorOfCard } from '../../lib/model/model-card'
import { hubLayout } from '../support/hub-layout'
import { removeFolders } from '../support/temporary-folder'

afterAll(removeFolders)

const priorOf = (decoder: string) => join(decoder, '../wuerstchen-prior')

describe('openModel()', () => {
  describe('finds the weights', () => {
    const name = 'wuerstchen/decoder/diffusion_pytorch_model'

    it('in shards', async () => {
      const folder = hubLayout({
        [`${name}.safetensors`]: null,
        [`${name}.safetensors.index.json`]: { weight_map: { a: 'a.safetensors', b: 'b.safetensors' } },
        'wuerstchen/decoder/a.safetensors': '',
        'wuerstchen/decoder/b.safetensors': '',
      })
      expect((await openModel(folder)).components.decoder.weightFiles).toEqual([
        join(folder, 'decoder/a.safetensors'),
        join(folder, 'decoder/b.safetensors'),
      ])
    })

    it('of a variant where there are any, the plain ones elsewhere, and tells', async () => {
      const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
      const folder = hubLayout({ [`${name}.fp16.safetensors`]: '' })
      const { decoder, vqgan } = (await openModel(folder, undefined, undefined, 'fp16')).components
      expect(decoder.weightFiles).toEqual([join(folder, 'decoder/diffusion_pytorch_model.fp16.safetensors')])
      expect(vqgan.weightFiles).toEqual([join(folder, 'vqgan/diffusion_pytorch_model.safetensors')])
      expect(warned).toHaveBeenCalledWith(
        expect.stringMatching(
          /vqgan has no weights of the variant 'fp16': took diffusion_pytorch_model\.safetensors/,
        ),
        { type: 'WuerstchenWarning' },
      )
      const plain = (await openModel(folder)).components.decoder.weightFiles
      expect(plain).toEqual([join(folder, 'decoder/diffusion_pytorch_model.safetensors')])
      warned.mockRestore()
    })

    it('in half precision, where that is all there is', async () => {
      const folder = hubLayout({ [`${name}.safetensors`]: null, [`${name}.fp16.safetensors`]: '' })
      const [file] = (await openModel(folder)).components.decoder.weightFiles
      expect(file).toBe(join(folder, 'decoder/diffusion_pytorch_model.fp16.safetensors'))
    })

    it.each([
      [
        'a shard is missing',
        { [`${name}.safetensors.index.json`]: { weight_map: { a: 'a.safetensors' } } },
        /a\.safetensors beside it/,
      ],
      ['there are none', {}, /Expected diffusion_pytorch_model\.safetensors but found none\.$/],
      ['there are only pickled ones', { [`${name}.bin`]: '' }, /convert it to safetensors/],
    ])('or says so where %s', async (_, changes, message) => {
      await expect(openModel(hubLayout({ [`${name}.safetensors`]: null, ...changes }))).rejects.toMatchObject(
        {
          code: 'ERR_WUERSTCHEN_MODEL_INVALID',
          message: expect.stringMatching(message),
        },
      )
    })
  })

  it('says where it looked for a model that is not there', async () => {
    for (const folder of ['no-such-folder', join(hubLayout(), 'vqgan')]) {
      await expect(openModel(folder)).rejects.toMatchObject({
        code: 'ERR_WUERSTCHEN_MODEL_NOT_FOUND',
        message: expect.stringMatching(/model_index\.json/),
      })
    }
  })

  it("refuses a prior's folder in place of the decoder's", async () => {
    await expect(openModel(priorOf(hubLayout()))).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_MODEL_INVALID',
      message: expect.stringMatching(
        /_class_name to be WuerstchenDecoderPipeline or WuerstchenCombinedPipeline/,
      ),
    })
  })

  type Change = Record<string, unknown> | string | null
  it.each<[string, string, Change, RegExp]>([
    ['text that is no JSON', 'wuerstchen/model_index.json', '{', /Expected JSON/],
    ['a list', 'wuerstchen/model_index.json', '[]', /JSON object/],
    [
      'another pipeline',
      'wuerstchen/model_index.json',
      { _class_name: 'StableDiffusionPipeline' },
      /_class_name/,
    ],
    [
      'another network',
      'wuerstchen/model_index.json',
      { decoder: ['x', 'UNet'] },
      /decoder to be \[library, 'WuerstchenDiffNeXt'\]/,
    ],
    ['a missing network', 'wuerstchen/model_index.json', { vqgan: null }, /vqgan/],
    ['another scheduler', 'wuerstchen/model_index.json', { scheduler: ['diffusers', 'DDIM'] }, /scheduler/],
    ['an odd default size', 'wuerstchen/model_index.json', { _default_size: [256] }, /_default_size/],
    ['no steps', 'wuerstchen/model_index.json', { _default_steps: 0 }, /_default_steps/],
    [
      'a latent scale of text',
      'wuerstchen/model_index.json',
      { latent_dim_scale: 'x' },
      /latent_dim_scale to be a number/,
    ],
    ['a missing index', 'wuerstchen-prior/model_index.json', null, /model_index/],
    ['a latent mean of 0', 'wuerstchen-prior/model_index.json', { latent_mean: 0 }, /latent_mean/],
    ['a missing config', 'wuerstchen/decoder/config.json', null, /Expected a file but found none/],
    [
      'another class',
      'wuerstchen/decoder/config.json',
      { _class_name: 'UNet' },
      /class to be WuerstchenDiffNeXt but found 'UNet'/,
    ],
    [
      'another architecture',
      'wuerstchen/text_encoder/config.json',
      { architectures: ['BertModel'] },
      /BertModel/,
    ],
    ['no levels', 'wuerstchen/decoder/config.json', { c_hidden: [] }, /c_hidden/],
    [
      'a hundred levels',
      'wuerstchen/decoder/config.json',
      { c_hidden: new Array(100).fill(8) },
      /at most 1024/,
    ],
    ['fractional channels', 'wuerstchen/decoder/config.json', { c_in: 4.5 }, /c_in/],
    [
      'the prior of another model',
      'wuerstchen-prior/prior/config.json',
      { c_in: 8 },
      /effnet_embd to be 8, the prior's c_in, but found 16/,
    ],
    [
      'the text encoder of another model',
      'wuerstchen/text_encoder/config.json',
      { hidden_size: 1280 },
      /clip_embd to be 1280/,
    ],
    [
      'the vqgan of another model',
      'wuerstchen/vqgan/config.json',
      { latent_channels: 8 },
      /latent_channels to be 4/,
    ],
    ['a scale factor of 0', 'wuerstchen/vqgan/config.json', { scale_factor: 0 }, /scale_factor/],
    [
      'a missing scheduler',
      'wuerstchen/scheduler/scheduler_config.json',
      null,
      /Expected a file but found none/,
    ],
    [
      'a schedule that is no number',
      'wuerstchen/scheduler/scheduler_config.json',
      { s: 'x' },
      /s to be a number/,
    ],
    [
      'the config of another scheduler',
      'wuerstchen/scheduler/scheduler_config.json',
      { _class_name: 'DDIM' },
      /_class_name/,
    ],
    ['no tokenizer', 'wuerstchen/tokenizer/tokenizer_config.json', null, /tokenizer\.json/],
    [
      'no positions',
      'wuerstchen/text_encoder/config.json',
      { max_position_embeddings: 0 },
      /max_position_embeddings/,
    ],
  ])('refuses %s', async (_, file, change, message) => {
    const folder = hubLayout({ [file]: change })
    await expect(openModel(folder)).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_WUERSTCHEN_MODEL_(INVALID|NOT_FOUND)$/),
      message: expect.stringMatching(message),
    })
    await expect(openModel(folder)).rejects.toHaveProperty(
      'message',
      expect.stringContaining(join(folder, '..')),
    )
  })
})

describe('priorOfCard()', () => {
  it.each([
    ['---\nprior: a/b\n---\n', 'a/b'],
    ['\uFEFF---\r\nlicense: mit\r\nprior:   "a/b"  \r\n---\r\n', 'a/b'],
    ["---\nprior: 'a/b' # the prior\n---", 'a/b'],
    ['---\nprior: a/b # the prior\n---', 'a/b'],
    ['---\nprior:\n---', null],
    ['---\nx:\n  prior: a/b\n---', null],
    ['---\nlicense: mit\n---\nprior: a/b\n', null],
    ['prior: a/b', null],
    ['', null],
  ])('of %j is %j', (card, prior) => {
    expect(priorOfCard(card)).toBe(prior)
  })
})
