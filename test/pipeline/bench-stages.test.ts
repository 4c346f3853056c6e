/** Single steps as `npm run bench` takes them: those programs reach below the pipeline, so a change there must not pass them by. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { answer, STAGES } from '../../bench/support/ours'
import { closeModel } from '../../lib/memory/loaded-model'
import { loadPretrained } from '../../lib/pipeline/pretrained'
import { volume } from '../../lib/tensors/shape'
import { smallModel } from '../support/models'

const COUNTED = join(__dirname, '..', '..', 'bench', 'support', 'count-child.js')
const SHAPES: Record<string, readonly number[]> = {
  'prior.latents': [1, 16, 3, 3],
  'prior.text': [1, 77, 80],
  'decoder.latents': [1, 4, 32, 32],
  'decoder.text': [1, 77, 64],
  'decoder.image': [1, 16, 3, 3],
  'vqgan.latents': [1, 4, 32, 32],
}

const inputOf = (stage: string) => (name: string) => {
  const shape = SHAPES[`${stage}.${name}`] as number[]
  const size = volume(shape)
  return {
    dtype: 'float32' as const,
    shape,
    data: Float32Array.from({ length: size }, (_, i) => Math.sin(i)),
  }
}

it('run each stage of a model and leave a finite result', async () => {
  const { folder, options } = smallModel()
  const { models } = await loadPretrained(folder, { ...options, device: 'cpu' })
  const [model] = models
  for (const stage of ['prior', 'decoder', 'vqgan'] as const) {
    const input = inputOf(stage)
    const step = await STAGES[stage]({ model, stage, input, ratio: 0.6 })
    const { milliseconds } = await answer(step, {})
    expect(milliseconds).toBeGreaterThan(0)
    const latents = await step.prepare()
    const before = Array.from(inputOf(stage)('latents').data)
    await step.run(latents)
    const values = Array.from(await step.result(latents))
    expect(values.every(Number.isFinite)).toBe(true)
    expect(values).not.toEqual(before)
    latents.dispose()
  }
  await closeModel(model)
})

// bench:regression counts their instructions, where there is valgrind.
it.each(['prior', 'decoder', 'vqgan'])('two steps of the bundled %s run as they are counted', (stage) => {
  const run = spawnSync(process.execPath, [COUNTED, stage], { encoding: 'utf8' })
  expect(run).toMatchObject({ status: 0, stderr: '' })
})
