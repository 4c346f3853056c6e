/** LoRAs on the small model, against the same numbers computed here. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { WuerstchenPipeline } from '../../lib'
import {
  changed,
  changeOf,
  closeSmall,
  drawn,
  fileOf,
  largest,
  modelWith,
  openSmall,
  PROJECTION,
  pictureOf,
  pipeline,
  random,
  small,
  TEXT,
  type Tensors,
  TO_Q,
  textPrefix,
  weight,
} from '../support/lora-models'
import { QUICK } from '../support/models'
import { folderOf } from '../support/temporary-folder'

beforeAll(openSmall)
afterAll(closeSmall)

describe('a LoRA', () => {
  it('does what its product added to the weights does, and leaves them bit for bit', async () => {
    const plain = await drawn(pipeline)
    const [q, projection] = [changeOf(weight(TO_Q)), changeOf(weight(PROJECTION))]
    const file = fileOf({
      [`prior.${TO_Q}.lora_A.weight`]: q.down,
      [`prior.${TO_Q}.lora_B.weight`]: q.up,
      [`prior.${PROJECTION}.lora_A.weight`]: projection.down,
      [`prior.${PROJECTION}.lora_B.weight`]: projection.up,
    })
    await pipeline.loadLora(file, { scale: 0.7 })
    expect(pipeline.loras).toEqual([{ name: 'style', scale: 0.7 }])
    const styled = await drawn(pipeline)
    expect(largest(styled, plain)).toBeGreaterThan(5)
    const { folder } = modelWith({
      prior: {
        [`${TO_Q}.weight`]: changed(weight(TO_Q), q, 0.7),
        [`${PROJECTION}.weight`]: changed(weight(PROJECTION), projection, 0.7),
      },
    })
    expect(largest(styled, await pictureOf(folder))).toBeLessThanOrEqual(1)
    await pipeline.setLoraScales({ style: 0 })
    expect((await drawn(pipeline)).equals(plain)).toBe(true)
    await pipeline.setLoraScales({ style: 0.7 })
    expect((await drawn(pipeline)).equals(styled)).toBe(true)
    await pipeline.unloadLora('style')
    expect(pipeline.loras).toEqual([])
    expect((await drawn(pipeline)).equals(plain)).toBe(true)
  })

  it('stacks with others', async () => {
    const [one, two] = [changeOf(weight(TO_Q)), changeOf(weight(TO_Q), 5)]
    for (const [index, { up, down }] of [one, two].entries()) {
      const file = fileOf({ [`${TO_Q}.lora.down.weight`]: down, [`${TO_Q}.lora.up.weight`]: up })
      await pipeline.loadLora(file, { name: `number ${index}`, scale: 0.5 + index })
    }
    const both = await drawn(pipeline)
    const sum = changed(changed(weight(TO_Q), one, 0.5), two, 1.5)
    expect(
      largest(both, await pictureOf(modelWith({ prior: { [`${TO_Q}.weight`]: sum } }).folder)),
    ).toBeLessThanOrEqual(1)
    await pipeline.unloadLora('number 0')
    await pipeline.unloadLora('number 1')
  })

  it('is the same in every spelling, with its alpha', async () => {
    const q = changeOf(weight(TO_Q), 4)
    const alpha = { shape: [], data: Float32Array.of(2) }
    const kohya = `lora_prior_${TO_Q.replaceAll('.', '_')}`
    const pictures: Buffer[] = []
    const halved = { shape: q.up.shape, data: q.up.data.map((value) => value / 2) }
    for (const tensors of [
      { [`${kohya}.lora_down.weight`]: q.down, [`${kohya}.lora_up.weight`]: q.up, [`${kohya}.alpha`]: alpha },
      {
        [`base_model.model.${TO_Q}.lora_A.default.weight`]: q.down,
        [`base_model.model.${TO_Q}.lora_B.default.weight`]: halved,
      },
      {
        'blocks.2.attention.processor.to_q_lora.down.weight': q.down,
        'blocks.2.attention.processor.to_q_lora.up.weight': halved,
      },
      {
        [`prior.${TO_Q}.lora_linear_layer.down.weight`]: q.down,
        [`prior.${TO_Q}.lora_linear_layer.up.weight`]: halved,
      },
    ] as Tensors[]) {
      await pipeline.loadLora(fileOf(tensors))
      pictures.push(await drawn(pipeline))
      await pipeline.unloadLora('style')
    }
    for (const picture of pictures) expect(picture.equals(pictures[0] as Buffer)).toBe(true)
    expect(pictures[0]?.equals(await drawn(pipeline))).toBe(false)
  })

  it("changes the prior's text encoder", async () => {
    const name = `${textPrefix}${TEXT}`
    const change = changeOf(weight(name, 'text'))
    const keys = `text_encoder.text_model.${TEXT}`
    const file = fileOf({ [`${keys}.lora_A.weight`]: change.down, [`${keys}.lora_B.weight`]: change.up })
    await pipeline.loadLora(file)
    const styled = await drawn(pipeline)
    await pipeline.unloadLora('style')
    const { folder } = modelWith({ text: { [`${name}.weight`]: changed(weight(name, 'text'), change, 1) } })
    expect(largest(styled, await pictureOf(folder))).toBeLessThanOrEqual(1)
    expect(largest(styled, await drawn(pipeline))).toBeGreaterThan(2)
  })

  it('comes between requests: what runs finishes without it, what comes later has it', async () => {
    const plain = await drawn(pipeline)
    const q = changeOf(weight(TO_Q))
    const ended: string[] = []
    let begin = () => undefined as unknown
    const begun = new Promise((resolve) => {
      begin = () => resolve(undefined)
    })
    const running = drawn(pipeline, { onProgress: () => begin() }).finally(() => ended.push('running'))
    await begun
    const loading = pipeline
      .loadLora(fileOf({ [`${TO_Q}.lora_A.weight`]: q.down, [`${TO_Q}.lora_B.weight`]: q.up }))
      .finally(() => ended.push('loading'))
    expect((await running).equals(plain)).toBe(true)
    await loading
    expect(ended).toEqual(['running', 'loading'])
    expect((await drawn(pipeline)).equals(plain)).toBe(false)
    await pipeline.unloadLora('style')
  })

  const down = () => random([3, weight(TO_Q).shape[1] as number])
  const up = () => random([weight(TO_Q).shape[0] as number, 3])
  it.each<[string, () => Tensors, RegExp]>([
    ['nothing', () => ({}), /Expected low-rank changes but found none/],
    [
      'a key of another model',
      () => ({ 'unet.down_blocks.0.lora_A.weight': down() }),
      /but found unet\.down_blocks\.0\.lora_A\.weight/,
    ],
    [
      'half a change',
      () => ({ [`${TO_Q}.lora_A.weight`]: down() }),
      /both halves of the change of blocks\.2\.attention\.to_q\.weight but found blocks\.2\.attention\.to_q\.lora_A\.weight alone/,
    ],
    [
      'another shape',
      () => ({ [`${TO_Q}.lora_A.weight`]: random([3, 7]), [`${TO_Q}.lora_B.weight`]: up() }),
      /lora_A\.weight to be of floats and \[3, \d+\] but found F32 \[3, 7\]/,
    ],
    [
      'two ranks',
      () => ({
        [`${TO_Q}.lora_A.weight`]: random([2, weight(TO_Q).shape[1] as number]),
        [`${TO_Q}.lora_B.weight`]: up(),
      }),
      /lora_B\.weight to be of floats and \[\d+, 2\]/,
    ],
    [
      'NaN',
      () => ({
        [`${TO_Q}.lora_A.weight`]: { ...down(), data: down().data.fill(Number.NaN) },
        [`${TO_Q}.lora_B.weight`]: up(),
      }),
      /the LoRA 'style' to have finite numbers but blocks\.2\.attention\.to_q\.lora_A\.weight has NaN/,
    ],
  ])('with %s is refused and changes nothing', async (_what, tensors, message) => {
    const plain = await drawn(pipeline)
    await expect(pipeline.loadLora(fileOf(tensors()))).rejects.toMatchObject({
      code: expect.stringMatching(/ERR_WUERSTCHEN_WEIGHTS_(MISMATCH|INVALID)/),
      message: expect.stringMatching(message),
    })
    expect(pipeline.loras).toEqual([])
    expect((await drawn(pipeline)).equals(plain)).toBe(true)
  })

  const one = (scale = 1) => {
    const change = { down: down(), up: up() }
    const data = change.up.data.map((value) => value * scale)
    return fileOf({
      [`${TO_Q}.lora_A.weight`]: change.down,
      [`${TO_Q}.lora_B.weight`]: { ...change.up, data },
    })
  }

  it('counts as private memory while it is loaded', async () => {
    const bytes = weight(TO_Q).data.byteLength
    await using mapped = await WuerstchenPipeline.fromPretrained(small.folder, {
      ...small.options,
      kernels: 'off', // they pack weights, and that is private memory, too
    })
    const { private: before, held } = mapped.memory()
    await mapped.loadLora(one())
    expect(mapped.memory()).toMatchObject({ private: before + bytes, held })
    await mapped.setLoraScales({ style: 0.5 })
    expect(mapped.memory()).toMatchObject({ private: before + bytes, held })
    await mapped.unloadLora('style')
    expect(mapped.memory()).toMatchObject({ private: before, held })
  })

  it.each(['none', 'model', 'sequential'] as const)(
    'is part of the peak, which is never below what is held, with offload %s',
    async (offload) => {
      const options = { ...small.options, offload, kernels: 'off' } as const
      const bytes = weight(TO_Q).data.byteLength
      await using pipeline = await WuerstchenPipeline.fromPretrained(small.folder, options)
      const peak = () => {
        const { held, peak, stages } = pipeline.memory()
        for (const one of [{ held, peak }, ...Object.values(stages)])
          expect(one.peak).toBeGreaterThanOrEqual(one.held)
        return peak
      }
      const before = peak()
      await pipeline.loadLora(one())
      if (offload !== 'none') expect(peak()).toBe(before + bytes) // else the private copy takes the mapped one's place
      await pipeline.generate('a red circle', QUICK)
      const drawn = peak()
      expect(drawn).toBeGreaterThan(pipeline.memory().held)
      await pipeline.unloadLora('style')
      expect(peak()).toBe(drawn)
    },
  )

  it('takes room from maxMemory while other networks run', async () => {
    const options = { ...small.options, offload: 'model', kernels: 'off' } as const
    const bytes = weight(TO_Q).data.byteLength
    await using free = await WuerstchenPipeline.fromPretrained(small.folder, options)
    const { predicted } = free.memory(QUICK)
    const maxMemory = predicted + bytes - 1
    await using limited = await WuerstchenPipeline.fromPretrained(small.folder, { ...options, maxMemory })
    const plain = await drawn(limited)
    await limited.loadLora(one())
    await expect(drawn(limited)).rejects.toMatchObject({ code: 'ERR_WUERSTCHEN_MEMORY_LIMIT' })
    await limited.unloadLora('style')
    expect((await drawn(limited)).equals(plain)).toBe(true)
  })

  it('whose scale makes its numbers infinite is refused and stays as it was', async () => {
    await pipeline.loadLora(one(1e37), { scale: 1e-37 })
    const styled = await drawn(pipeline)
    const before = pipeline.memory()
    await expect(pipeline.setLoraScales({ style: 100 })).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_WEIGHTS_INVALID',
      message: expect.stringMatching(/finite numbers in the change of blocks\.2\.attention\.to_q\.weight/),
    })
    expect(pipeline.loras).toMatchObject([{ name: 'style', scale: 1e-37 }])
    expect((await drawn(pipeline)).equals(styled)).toBe(true)
    expect(pipeline.memory().held).toBe(before.held)
    await pipeline.unloadLora('style')
  })

  it('of which one network takes its part and another does not changes neither', async () => {
    const plain = await drawn(pipeline)
    const before = pipeline.memory().held
    const text = changeOf(weight(`${textPrefix}${TEXT}`, 'text'))
    const bad = { ...text.up, data: text.up.data.map(() => Number.NaN) }
    const keys = `text_encoder.text_model.${TEXT}`
    const file = fileOf({
      [`prior.${TO_Q}.lora_A.weight`]: down(),
      [`prior.${TO_Q}.lora_B.weight`]: up(),
      [`${keys}.lora_A.weight`]: text.down,
      [`${keys}.lora_B.weight`]: bad,
    })
    await expect(pipeline.loadLora(file)).rejects.toThrow(
      /finite numbers but text_encoder\..*lora_B\.weight has NaN/,
    )
    expect((await drawn(pipeline)).equals(plain)).toBe(true)
    expect(pipeline.memory().held).toBe(before)
  })

  it('that does not exist, is cut off, or has a name twice is refused', async () => {
    const whole = fileOf({ [`${TO_Q}.lora_A.weight`]: down(), [`${TO_Q}.lora_B.weight`]: up() })
    await expect(pipeline.loadLora('no-such-file.safetensors')).rejects.toThrow(/no-such-file/)
    const cut = join(folderOf({}), 'cut.safetensors')
    writeFileSync(cut, readFileSync(whole).subarray(0, -8))
    await expect(pipeline.loadLora(cut)).rejects.toMatchObject({ code: 'ERR_WUERSTCHEN_WEIGHTS_INVALID' })
    await pipeline.loadLora(whole)
    await expect(pipeline.loadLora(whole)).rejects.toThrow(/one that no loaded LoRA has but received 'style'/)
    await pipeline.unloadLora('style')
    await expect(pipeline.unloadLora('style')).rejects.toThrow(/that of a loaded LoRA \(there are none\)/)
    await expect(pipeline.setLoraScales({ style: 1 })).rejects.toThrow(/loaded LoRA/)
    await expect(pipeline.loadLora(whole, { scale: Number.NaN })).rejects.toThrow(/scale/)
  })
})
