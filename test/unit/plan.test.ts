import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { planLoad } from '../../lib/loading/plan'
import { openModel } from '../../lib/model/layout'

jest.mock('node:fs/promises', () => {
  const actual = jest.requireActual('node:fs/promises')
  return { ...actual, open: jest.fn(actual.open) }
})

const ROOT = join(__dirname, '..', '..')

describe('planLoad()', () => {
  it('reads each manifest once, however many networks the model has', async () => {
    const files = await openModel(join(ROOT, 'models', 'shapes'))
    const plan = await planLoad(files, [join(ROOT, 'graphs')])
    expect(Object.keys(plan).length).toBeGreaterThan(4)
    const opened = jest.mocked(open).mock.calls.map(([path]) => String(path))
    const manifests = ['shapes', 'v2'].map((name) => join(ROOT, 'graphs', name, 'manifest.json'))
    expect(opened.filter((path) => path.endsWith('manifest.json')).sort()).toEqual(manifests)
  })
})
