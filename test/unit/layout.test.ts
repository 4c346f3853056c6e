import { cpSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { openModel } from '../../lib/model/layout'
import { combinedLayout, hubLayout } from '../support/hub-layout'
import { removeFolders } from '../support/temporary-folder'

afterAll(removeFolders)

const priorOf = (decoder: string) => join(decoder, '../wuerstchen-prior')

describe('openModel()', () => {
  it('reads both repositories of v2', async () => {
    const folder = hubLayout()
    const prior = priorOf(folder)
    const model = await openModel(folder)
    expect(model).toMatchObject({
      decoderFolder: folder,
      priorFolder: prior,
      tokenizers: {
        prior: { folder: join(prior, 'tokenizer'), maxPositions: 77, vocabularySize: 49408 },
        decoder: { folder: join(folder, 'tokenizer'), maxPositions: 77, vocabularySize: 49408 },
      },
      schedulers: { prior: { s: 0.008, scaler: 1 }, decoder: { s: 0.008, scaler: 1 } },
      constants: {
        latentMean: 42,
        latentStd: 1,
        resolutionMultiple: 42.67,
      },
    })
    expect(model.components).toMatchObject({
      priorTextEncoder: { class: 'CLIPTextModel', config: { hidden_size: 1280 } },
      prior: {
        class: 'WuerstchenPrior',
        weightFiles: [join(prior, 'prior/diffusion_pytorch_model.safetensors')],
      },
      decoderTextEncoder: {
        config: { hidden_size: 1024 },
        weightFiles: [join(folder, 'text_encoder/model.safetensors')],
      },
      decoder: { class: 'WuerstchenDiffNeXt' },
      vqgan: { class: 'PaellaVQModel' },
    })
  })

  it('finds the sizes of v2', async () => {
    expect((await openModel(hubLayout())).geometry).toEqual({
      resolutionMultiple: 42.67,
      latentStride: 4,
      multiple: 64,
      priorChannels: 16,
      latentChannels: 4,
      defaultWidth: 1024,
      defaultHeight: 1024,
    })
  })

  it('finds the sizes of the bundled model: latents at an eighth, three levels, 256 pixels', async () => {
    const folder = hubLayout({
      'wuerstchen/model_index.json': { _default_size: [256, 320] },
      'wuerstchen/decoder/config.json': { c_hidden: [64, 128, 192] },
      'wuerstchen/vqgan/config.json': { levels: 3, scale_factor: 1 },
    })
    expect((await openModel(folder)).geometry).toMatchObject({
      latentStride: 8,
      multiple: 64,
      defaultWidth: 256,
      defaultHeight: 320,
    })
  })

  it("opens the one folder of diffusers' combined pipeline, and asks for no second one", async () => {
    const folder = combinedLayout()
    expect(await openModel(folder)).toMatchObject({
      decoderFolder: folder,
      priorFolder: folder,
      components: {
        prior: { weightFiles: [join(folder, 'prior_prior', 'diffusion_pytorch_model.safetensors')] },
        priorTextEncoder: { weightFiles: [join(folder, 'prior_text_encoder', 'model.safetensors')] },
        decoder: { weightFiles: [join(folder, 'decoder', 'diffusion_pytorch_model.safetensors')] },
      },
      tokenizers: { prior: { folder: join(folder, 'prior_tokenizer') } },
      constants: { latentMean: 42, latentStd: 1, resolutionMultiple: 42.67 },
    })
    const { priorFolder } = await openModel(folder, priorOf(hubLayout()))
    expect(priorFolder).not.toBe(folder)
    await expect(openModel(combinedLayout({ 'prior_prior/config.json': null }))).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_MODEL_INVALID',
      message: expect.stringMatching(/prior_prior\/config\.json/),
    })
  })

  it('takes any effnet_embd where no level reads image embeddings, as in the fast tests of diffusers', async () => {
    const decoder = { inject_effnet: [false, false, false, false], effnet_embd: 3 }
    const model = await openModel(hubLayout({ 'wuerstchen/decoder/config.json': decoder }))
    expect(model.geometry.priorChannels).toBe(16)
  })

  it('reads JSON that begins with a byte order mark', async () => {
    const folder = hubLayout()
    const index = join(folder, 'model_index.json')
    writeFileSync(index, `\uFEFF${readFileSync(index, 'utf8')}`)
    expect((await openModel(folder)).decoderFolder).toBe(folder)
  })

  it.each([
    ['version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 130\n', /it is a git-lfs pointer/],
    ['<!DOCTYPE html><html>', /it is a web page/],
    [gzipSync('{}'), /it is compressed by gzip/],
    ['{ "a": ', /Expected JSON but .*JSON/],
  ])('names what stands in the place of JSON: %p', async (content, message) => {
    const folder = hubLayout()
    for (const file of ['model_index.json', 'decoder/config.json']) {
      const path = join(folder, file)
      const before = readFileSync(path)
      writeFileSync(path, content)
      await expect(openModel(folder)).rejects.toMatchObject({
        code: 'ERR_WUERSTCHEN_MODEL_INVALID',
        message: expect.stringMatching(message),
        details: { file: path },
      })
      writeFileSync(path, before)
    }
  })

  it("takes the model's own guidance scale and steps as the defaults, and diffusers' where it has none", async () => {
    const v2 = { priorGuidanceScale: 4, priorSteps: null, decoderSteps: 12 }
    expect((await openModel(hubLayout())).defaults).toEqual(v2)
    const folder = hubLayout({
      'wuerstchen-prior/model_index.json': { _default_guidance_scale: 2.5, _default_steps: 8 },
      'wuerstchen/model_index.json': { _default_steps: 4 },
    })
    expect((await openModel(folder)).defaults).toEqual({
      priorGuidanceScale: 2.5,
      priorSteps: 8,
      decoderSteps: 4,
    })
  })

  it("takes the classes' defaults for fields that a config leaves out", async () => {
    const empty = {
      c_in: undefined,
      c_hidden: undefined,
      patch_size: undefined,
      effnet_embd: undefined,
      clip_embd: undefined,
    }
    const model = await openModel(
      hubLayout({
        'wuerstchen/decoder/config.json': empty,
        'wuerstchen/vqgan/config.json': {
          levels: undefined,
          up_down_scale_factor: undefined,
          scale_factor: undefined,
        },
        'wuerstchen-prior/model_index.json': {
          latent_mean: undefined,
          latent_std: undefined,
          resolution_multiple: undefined,
        },
        'wuerstchen/model_index.json': { latent_dim_scale: undefined },
        'wuerstchen/scheduler/scheduler_config.json': { s: undefined, scaler: undefined },
      }),
    )
    expect(model.geometry).toMatchObject({ multiple: 64, resolutionMultiple: 42.67 })
    expect(model.constants).toEqual({
      latentMean: 42,
      latentStd: 1,
      resolutionMultiple: 42.67,
    })
    expect(model.schedulers.decoder).toEqual({ s: 0.008, scaler: 1 })
  })

  it.each(['wuerstchen', 'diffusers', 'diffusers.pipelines.deprecated.wuerstchen'])(
    'accepts networks of the library %s',
    async (library) => {
      const folder = hubLayout({
        'wuerstchen/model_index.json': {
          decoder: [library, 'WuerstchenDiffNeXt'],
          vqgan: [library, 'PaellaVQModel'],
        },
        'wuerstchen-prior/model_index.json': { prior: [library, 'WuerstchenPrior'] },
      })
      await expect(openModel(folder)).resolves.toBeDefined()
    },
  )

  describe('finds the prior', () => {
    it('where the caller says', async () => {
      const folder = hubLayout({ 'wuerstchen/README.md': null })
      const elsewhere = join(folder, '../elsewhere')
      renameSync(priorOf(folder), elsewhere)
      expect((await openModel(folder, elsewhere)).priorFolder).toBe(elsewhere)
    })

    it('beside the decoder, under the whole id of its model card or the last part of it', async () => {
      const card = { 'wuerstchen/README.md': '---\nprior: someone/wuerstchen-prior\n---' }
      const folder = hubLayout(card)
      expect((await openModel(folder)).priorFolder).toBe(priorOf(folder))
      const whole = join(folder, '../someone/wuerstchen-prior')
      mkdirSync(join(whole, '..'))
      renameSync(priorOf(folder), whole)
      expect((await openModel(folder)).priorFolder).toBe(whole)
    })

    it.each([
      ['there is no model card', null, /no README\.md in it names its prior/],
      ['the card names none', '# Würstchen\nprior: x', /no README\.md in it names its prior/],
      [
        'the card names one that is not here',
        '---\nprior: a/b\n---',
        /names the prior 'a\/b'\. Looked in .*b.*option prior/,
      ],
      ['the card leads elsewhere', '---\nprior: ../../../etc\n---', /option prior/],
      ['the card leads to itself', '---\nprior: wuerstchen-prior/.\n---', /option prior/],
    ])('or says how to name it where %s', async (_, card, message) => {
      await expect(openModel(hubLayout({ 'wuerstchen/README.md': card }))).rejects.toMatchObject({
        code: 'ERR_WUERSTCHEN_MODEL_NOT_FOUND',
        message: expect.stringMatching(message),
      })
    })

    it('or says that the folder given does not exist', async () => {
      await expect(openModel(hubLayout(), 'no-such-folder')).rejects.toMatchObject({
        code: 'ERR_WUERSTCHEN_MODEL_NOT_FOUND',
        message: expect.stringMatching(/no-such-folder/),
      })
    })

    it('and completes one that was published as a network alone', async () => {
      const folder = hubLayout()
      const network = join(priorOf(folder), 'prior')
      const elsewhere = join(folder, '../base')
      cpSync(network, elsewhere, { recursive: true })
      const files = await openModel(folder, elsewhere)
      expect(files.priorFolder).toBe(priorOf(folder))
      expect(files.components.prior.weightFiles).toEqual([
        join(elsewhere, 'diffusion_pytorch_model.safetensors'),
      ])
      expect(files.components.priorTextEncoder.weightFiles[0]).toContain(priorOf(folder))
      const rest = join(folder, '../rest')
      renameSync(priorOf(folder), rest)
      expect((await openModel(folder, elsewhere, rest)).priorFolder).toBe(rest)
      await expect(openModel(folder, elsewhere)).rejects.toMatchObject({
        code: 'ERR_WUERSTCHEN_MODEL_NOT_FOUND',
      })
    })

    it('or says that the folder given has none', async () => {
      const folder = hubLayout()
      await expect(openModel(folder, join(priorOf(folder), 'scheduler'))).rejects.toMatchObject({
        code: 'ERR_WUERSTCHEN_MODEL_INVALID',
        message: expect.stringMatching(/prior\/config\.json/),
      })
    })
  })
})
