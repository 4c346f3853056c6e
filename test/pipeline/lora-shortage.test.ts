/** Memory runs out, in a process of its own, while LoRAs change. */
import { join } from 'node:path'
import { ROOT } from '../../bench/support/reference'
import { writeStyle } from '../../bench/support/style'
import { CLEAN, runWithAddon, testLibrary } from '../support/addon-process'
import { describeBundled } from '../support/models'
import { ensureDist } from '../support/node-process'
import { folderOf, removeFolders } from '../support/temporary-folder'

afterAll(removeFolders)

describeBundled('A change of LoRAs without memory', () => {
  it('rejects with OutOfMemoryError, and the next picture is that of before', async () => {
    ensureDist()
    const file = join(folderOf({}), 'style.safetensors')
    const prior = join(ROOT, 'models', 'shapes-prior', 'prior', 'diffusion_pytorch_model.safetensors')
    await writeStyle(file, prior, 4)
    const body = `
      const opened = addon.openDevice({ device: 'cpu', threads: 1 })
      await opened.load(network('prior', { recorder: ${JSON.stringify(testLibrary('scarcity'))} }))
      const pipeline = await wuerstchen.WuerstchenPipeline.fromPretrained(undefined, { device: 'cpu', threads: 1 })
      const picture = async () => {
        const options = { width: 128, height: 128, priorNumInferenceSteps: 1, numInferenceSteps: 1, seed: 1 }
        return Buffer.from((await pipeline.generate('a red circle', options)).images[0].data)
      }
      const plain = await picture()
      await pipeline.loadLora(${JSON.stringify(file)}, { name: 'style', scale: 3 })
      const styled = await picture()
      process.env.WUERSTCHEN_TEST_SCARCE_BYTES = '20000'
      const code = (await codeOf(pipeline.setLoraScales({ style: 1 }))).slice(0, 28)
      process.env.WUERSTCHEN_TEST_SCARCE_BYTES = '0'
      const later = await picture()
      console.log(code, styled.equals(plain), later.equals(styled), pipeline.loras[0].scale)
      await pipeline.dispose()
      await opened.close()`
    expect(runWithAddon(body, { WUERSTCHEN_TEST_SCARCE_BYTES: '0' })).toEqual({
      ...CLEAN,
      stdout: 'ERR_WUERSTCHEN_OUT_OF_MEMORY false true 3',
    })
  })
})
