/** A method that AOTInductor compiled, in the place of the graph's, through the real addon. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PYTHON, ROOT } from '../../bench/support/reference'
import { WuerstchenPipeline } from '../../lib'
import { QUICK, smallModel } from '../support/models'
import { folderOf, removeFolders } from '../support/temporary-folder'

afterAll(removeFolders)

const PROGRAM = `
import json, sys, torch
from pathlib import Path
from scripts.compile import compile_method
from scripts.configurations import from_folders
folder, out = Path(sys.argv[1]), Path(sys.argv[2])
parts = from_folders(folder, folder.with_name(folder.name + "-prior"))
print(json.dumps(compile_method(next(one for one in parts if one.name == "vqgan"), out, "cpu", torch.float32)))
`

/** The small model's graphs, with Stage A's `decode` compiled: one method is a minute's work. */
function compileGraphs({ folder, graphs }: ReturnType<typeof smallModel>): string {
  const out = folderOf({})
  cpSync(join(graphs, 'small'), join(out, 'small'), { recursive: true })
  const made = spawnSync(PYTHON, ['-W', 'ignore', '-c', PROGRAM, folder, join(out, 'small')], {
    cwd: ROOT,
    encoding: 'utf8',
  })
  if (made.status !== 0) throw new Error(made.stderr)
  const file = join(out, 'small', 'manifest.json')
  const manifest = JSON.parse(readFileSync(file, 'utf8'))
  const entry = manifest.graphs.find(({ component }: { component: string }) => component === 'vqgan')
  entry.compiled = [JSON.parse(made.stdout)]
  writeFileSync(file, JSON.stringify(manifest))
  return out
}

/** Has the manifest vouch for the compiled file as it is. */
function describeAnew(graphs: string): void {
  const file = join(graphs, 'small', 'manifest.json')
  const manifest = JSON.parse(readFileSync(file, 'utf8'))
  const [one] = manifest.graphs.flatMap(({ compiled = [] }) => compiled)
  one.sha256 = createHash('sha256')
    .update(readFileSync(join(graphs, 'small', one.file)))
    .digest('hex')
  writeFileSync(file, JSON.stringify(manifest))
}

describe('a compiled method', () => {
  const small = smallModel()
  let graphs: string
  beforeAll(() => {
    graphs = compileGraphs(small)
  }, 600_000)

  async function picture(options: object) {
    const pipeline = await WuerstchenPipeline.fromPretrained(small.folder, { ...small.options, ...options })
    const { images } = await pipeline.generate(['a cat', 'a dog'], { ...QUICK, seed: [1, 2] })
    const odd = await pipeline.generate('a cat', { ...QUICK, width: 256, height: 192 })
    const { compiled } = pipeline.info
    await pipeline.dispose()
    return { pixels: [...images, ...odd.images].map(({ data }) => data), compiled }
  }

  it('runs with the weights of any checkpoint, at any size, and gives what the graph gives', async () => {
    const wanted = await picture({ kernels: 'off' })
    const found = await picture({ kernels: 'off', graphs })
    expect(found.compiled).toMatchObject([{ method: 'decode', ignored: null }])
    for (const [index, data] of found.pixels.entries()) {
      const apart = data.map((value, place) => Math.abs(value - (wanted.pixels[index]?.[place] as number)))
      expect(apart.reduce((most, one) => Math.max(most, one), 0)).toBeLessThanOrEqual(1)
    }
  }, 120_000)

  it('is left out, with the reason, where the kernels are faster and where its file is damaged or no such code', async () => {
    const fast = await picture({ graphs })
    const kernels = fast.compiled[0]?.ignored
    expect([null, 'the kernels of this package are faster']).toContain(kernels)
    truncateSync(fast.compiled[0]?.file as string, 100)
    const { compiled } = await picture({ kernels: 'off', graphs })
    expect(compiled).toMatchObject([{ ignored: 'it is not the file that its manifest describes' }])
    describeAnew(graphs)
    expect((await picture({ kernels: 'off', graphs })).compiled).toMatchObject([
      { ignored: expect.stringContaining('Could not load the compiled graph') },
    ])
  }, 120_000)
})
