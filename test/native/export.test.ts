import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { exportGraphs, WuerstchenPipeline } from '../../lib'
import { QUICK, smallModel } from '../support/models'
import { folderOf, removeFolders } from '../support/temporary-folder'

describe('exportGraphs()', () => {
  const root = folderOf({})
  const folder = (name: string) => join(root, name)
  afterAll(removeFolders)

  it('makes graphs that the model then runs on', async () => {
    const small = smallModel()
    const lines: string[] = []
    const graphs = await exportGraphs(small.folder, {
      out: folder('graphs'),
      onLine: (line) => lines.push(line),
    })
    expect(lines).toHaveLength(6)
    expect(existsSync(join(graphs, 'small', 'manifest.json'))).toBe(true)
    const pipeline = await WuerstchenPipeline.fromPretrained(small.folder, { ...small.options, graphs })
    const { images } = await pipeline.generate('a cat', QUICK)
    expect(images).toHaveLength(1)
    await pipeline.dispose()
  }, 300_000)

  it('names the command when the Python that was chosen is not there', async () => {
    const before = process.env.WUERSTCHEN_PYTHON
    process.env.WUERSTCHEN_PYTHON = folder('no-python')
    try {
      await expect(exportGraphs(folder('model'))).rejects.toMatchObject({
        code: 'ERR_WUERSTCHEN_EXPORT_FAILED',
        message: expect.stringMatching(
          /not there.*pip install 'torch==\d+\.\d+\.\*'.*python3 -W ignore -m scripts\.export/,
        ),
      })
    } finally {
      if (before === undefined) delete process.env.WUERSTCHEN_PYTHON
      else process.env.WUERSTCHEN_PYTHON = before
    }
  })

  it('says what Python said when a folder is no model', async () => {
    await expect(exportGraphs(folder('empty'))).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_EXPORT_FAILED',
      message: expect.stringContaining('config.json to be a file but found none'),
    })
  }, 60_000)
})
