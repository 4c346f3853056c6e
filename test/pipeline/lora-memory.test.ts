/** What a LoRA leaves behind in a process of its own. Linux: it reads /proc. */
import { join } from 'node:path'
import { ROOT } from '../../bench/support/reference'
import { writeStyle } from '../../bench/support/style'
import { describeBundled } from '../support/models'
import { ensureDist, resultOf } from '../support/node-process'
import { folderOf, removeFolders } from '../support/temporary-folder'

const DEVICES = 16 // copies of the model, so that what stays is more than what a process gains anyway
const ALLOWED = 20e6 // bytes that Node and libtorch may gain meanwhile

interface Private {
  readonly before: number
  readonly loaded: number
  readonly unloaded: number
  readonly later: number
  readonly ended: number
}

afterAll(removeFolders)

const describeOnLinux =
  process.platform === 'linux'
    ? describeBundled
    : (name: string, tests: () => void) => describe.skip(`${name} (SKIPPED: it reads /proc)`, tests)

describeOnLinux('The private memory of a LoRA', () => {
  it('goes back to the system when it is unloaded, however often, and with the pipeline', async () => {
    ensureDist()
    const file = join(folderOf({}), 'style.safetensors')
    const prior = join(ROOT, 'models', 'shapes-prior', 'prior', 'diffusion_pytorch_model.safetensors')
    const { numbers } = await writeStyle(file, prior, 4)
    const measured = resultOf(`
      const file = ${JSON.stringify(file)}
      const resident = () => {
        global.gc?.()
        return 1024 * Number(/^RssAnon:\\s+(\\d+)/m.exec(require('node:fs').readFileSync('/proc/self/status', 'utf8'))[1])
      }
      const open = () => wuerstchen.WuerstchenPipeline.fromPretrained(undefined, {
        device: Array(${DEVICES}).fill('cpu'), dtype: 'float16', threads: 1, kernels: 'off',
      })
      const first = await open()
      await first.loadLora(file) // once: what libraries set up for themselves stays
      await first.dispose()
      const empty = resident()
      const pipeline = await open()
      const before = resident()
      await pipeline.loadLora(file)
      await pipeline.setLoraScales({ style: 0.5 })
      const loaded = resident()
      await pipeline.unloadLora('style')
      const unloaded = resident()
      for (let time = 0; time < 10; time++) {
        await pipeline.loadLora(file)
        await pipeline.setLoraScales({ style: 0.1 * time })
        await pipeline.unloadLora('style')
      }
      const later = resident()
      await pipeline.dispose()
      const ended = resident() - empty
      console.log(JSON.stringify({ before, loaded, unloaded, later, ended }))
    `) as Private
    const weights = DEVICES * 2 * numbers
    expect(weights).toBeGreaterThan(2 * ALLOWED) // else there is nothing to see
    expect(measured.loaded - measured.before).toBeLessThan(weights + ALLOWED) // once, not twice
    expect(measured.unloaded - measured.before).toBeLessThan(ALLOWED)
    expect(measured.later - measured.before).toBeLessThan(ALLOWED)
    expect(measured.ended).toBeLessThan(ALLOWED)
  })
})
