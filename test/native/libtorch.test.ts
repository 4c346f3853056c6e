/** Loading libtorch and the addon, each case in a process of its own: a process has one libtorch. */
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findLibtorch } from '../../lib/libtorch/find'
import { libraryName } from '../../lib/libtorch/libraries'
import { findLoader } from '../../lib/native/addons'
import { QUICK, type SmallModel, smallModel } from '../support/models'
import { ensureDist, resultOf } from '../support/node-process'
import { folderOf, removeFolders } from '../support/temporary-folder'

let small: SmallModel
let real: string
beforeAll(() => {
  ensureDist()
  small = smallModel()
  real = findLibtorch({ required: '2.13' }).found?.directory ?? ''
  expect(real).not.toBe('')
})
afterAll(removeFolders)

const CPU = libraryName('torch_cpu')

/** Tries the libtorch folders in turn and reports each error's code, `ready`, or how a picture came out. */
function attempts(folders: readonly (string | null)[], before = ''): unknown {
  return resultOf(`
    ${before}
    const outcomes = []
    for (const libtorch of ${JSON.stringify(folders)}) {
      const options = { ...${JSON.stringify(small.options)}, ...(libtorch === null ? {} : { libtorch }) }
      try {
        const pipeline = await wuerstchen.WuerstchenPipeline.fromPretrained(${JSON.stringify(small.folder)}, options)
        const { images } = await pipeline.generate('a red circle', ${JSON.stringify(QUICK)})
        outcomes.push('made ' + images[0].width)
        await pipeline.dispose()
      } catch (error) {
        outcomes.push(error.code)
      }
    }
    console.log(JSON.stringify(outcomes))`)
}

describe('loading libtorch', () => {
  it('refuses what cannot be used by its reason, and goes on to load one that can', () => {
    const missing = join(folderOf({}), 'missing')
    const old = folderOf({ 'version.py': "__version__ = '2.12.0'\n", [`lib/${CPU}`]: '' })
    const broken = folderOf({ 'build-version': '2.13.0\n', [`lib/${CPU}`]: 'not a library' })
    expect(attempts([missing, old, broken, null, real])).toEqual([
      'ERR_WUERSTCHEN_LIBTORCH_NOT_FOUND',
      'ERR_WUERSTCHEN_LIBTORCH_VERSION',
      'ERR_WUERSTCHEN_ADDON_LOAD',
      'made 128',
      'made 128',
    ])
  })

  it('refuses a second libtorch beside the one that it has opened', () => {
    const other = folderOf({ 'build-version': '2.13.0\n', [`lib/${CPU}`]: '' })
    const same = join(folderOf({}), 'link')
    symlinkSync(real, same)
    expect(attempts([real, other, same])).toEqual([
      'made 128',
      'ERR_WUERSTCHEN_LIBTORCH_CONFLICT',
      'made 128',
    ])
  })

  it('refuses to open one beside a foreign one', () => {
    const theirs = folderOf({})
    copyFileSync(join(real, libraryName('c10')), join(theirs, CPU))
    const before = `require(${JSON.stringify(findLoader())}).open([${JSON.stringify(join(theirs, CPU))}])`
    expect(attempts([null], before)).toEqual(['ERR_WUERSTCHEN_LIBTORCH_CONFLICT'])
  })

  it('names every place that it looked at', () => {
    const message = resultOf(
      `const error = await wuerstchen.WuerstchenPipeline.fromPretrained(${JSON.stringify(small.folder)}, { graphs: ${JSON.stringify(small.graphs)} })
        .catch((error) => error)
      console.log(JSON.stringify([error.code, error.message.split('\\n'), error.details.rejected.length]))`,
      { WUERSTCHEN_LIBTORCH: '/nowhere' },
    )
    expect(message).toEqual([
      'ERR_WUERSTCHEN_LIBTORCH_NOT_FOUND',
      [
        expect.stringMatching(
          /^Expected libtorch 2\.13.* in \/nowhere \(WUERSTCHEN_LIBTORCH\) but no such folder\. Correct or remove WUERSTCHEN_LIBTORCH; /,
        ),
        '  WUERSTCHEN_LIBTORCH: /nowhere: no such folder',
      ],
      1,
    ])
  })

  it('takes a Python environment by its python', () => {
    const environment = folderOf({ 'bin/python': '' })
    const package_ = join(environment, 'lib', 'python3.11', 'site-packages', 'torch')
    mkdirSync(package_, { recursive: true })
    writeFileSync(join(package_, 'version.py'), "__version__ = '2.13.0+cpu'\n")
    symlinkSync(real, join(package_, 'lib'))
    const found = resultOf(
      'const { libtorch, addon } = wuerstchen.diagnose(); console.log(JSON.stringify([libtorch.found.source, addon !== null]))',
      {
        WUERSTCHEN_PYTHON: join(environment, 'bin', 'python'),
        VIRTUAL_ENV: undefined,
        CONDA_PREFIX: undefined,
      },
    )
    expect(found).toEqual(['WUERSTCHEN_PYTHON', true])
  })
})

describe('a worker thread', () => {
  it('makes pictures beside the main thread', () => {
    const work = `
      const pipeline = await wuerstchen.WuerstchenPipeline.fromPretrained(${JSON.stringify(small.folder)}, ${JSON.stringify(small.options)})
      const { images } = await pipeline.generate('a red circle', ${JSON.stringify(QUICK)})
      await pipeline.dispose()
      const sum = images[0].data.reduce((a, b) => a + b, 0)`
    const worker = `const { parentPort, workerData } = require('node:worker_threads')
      const wuerstchen = require(workerData)
      ;(async () => { ${work}; parentPort.postMessage(sum) })()`
    const [inside, outside] = resultOf(`
      const { Worker } = require('node:worker_threads')
      const worker = new Worker(${JSON.stringify(worker)}, { eval: true, workerData: require.resolve('./dist/index.js') })
      const answer = new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
      const ended = new Promise((resolve) => worker.once('exit', resolve))
      ${work}
      const inside = await answer
      await ended
      console.log(JSON.stringify([inside, sum]))`) as [number, number]
    expect(inside).toBe(outside)
  })
})
