/** Which compiled methods run, and what is said of those that do not. */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { chooseCompiled, type Running } from '../../lib/loading/compiled'
import type { CompiledEntry, Graph } from '../../lib/model/graphs'
import type { NativeRuntime } from '../../lib/native/binding'
import { folderOf, removeFolders } from '../support/temporary-folder'

afterAll(removeFolders)

const CODE = 'machine code'
const ENTRY: CompiledEntry = {
  method: 'step',
  file: 'prior.step.pt2',
  sha256: createHash('sha256').update(CODE).digest('hex'),
  device: 'cpu',
  dtype: 'bfloat16',
  capability: 'AVX512',
  torch: '2.13.0',
}
const RUNNING: Running = {
  device: 'cpu',
  stored: 'bfloat16',
  dtype: 'bfloat16',
  rounding: 'float32',
  kernels: null,
  offload: 'none',
}
const runtime = {
  addon: { cpu: { capability: 'AVX512' }, versions: { torch: '2.13.0' } },
} as unknown as NativeRuntime

async function ignored(entry: Partial<CompiledEntry> = {}, running: Partial<Running> = {}, code = CODE) {
  const path = join(folderOf({ [ENTRY.file]: code }), ENTRY.file)
  const graph = { compiled: [{ path, entry: { ...ENTRY, ...entry } }] } as unknown as Graph
  const [one] = await chooseCompiled(graph, { ...RUNNING, ...running }, runtime)
  expect(one).toMatchObject({ method: 'step', file: path })
  return one?.ignored
}

describe('a compiled method', () => {
  it('runs on the machine that it was made for', async () => {
    expect(await ignored()).toBeNull()
    expect(await ignored({ dtype: 'float32' }, { stored: 'float32', dtype: 'float32' })).toBeNull()
    expect(await ignored({ device: 'cuda', capability: 'sm_90' }, { device: 'cuda:1' })).toBeNull()
  })

  it.each([
    [{ device: 'cuda' }, {}, 'made for cuda, the device is cpu'],
    [{ dtype: 'float16' }, {}, 'made for float16, the networks compute in bfloat16'],
    [{}, { stored: 'float16' }, 'the weights are held in float16 and widened where they are read'],
    [{}, { rounding: 'bfloat16' }, "parity with diffusers is the graph's: what is compiled rounds elsewhere"],
    [{}, { offload: 'model' }, "offload 'model' lets weights go while a step runs"],
    [{ capability: 'AVX2' }, {}, 'made for a CPU with AVX2, this one has AVX512'],
    [{ torch: '2.12.0' }, {}, 'made by torch 2.12.0, this is libtorch 2.13.0'],
    [
      {},
      { kernels: { kind: 'avx512', pack: 'none', without: [] } },
      'the kernels of this package are faster',
    ],
  ] as const)('%j in %j: %s', async (entry, running, reason) => {
    expect(await ignored(entry, running)).toBe(reason)
  })

  it('does not run if it is another file, or none', async () => {
    expect(await ignored({}, {}, 'other code')).toBe('it is not the file that its manifest describes')
    const graph = { compiled: [{ path: '/nowhere.pt2', entry: ENTRY }] } as unknown as Graph
    expect((await chooseCompiled(graph, RUNNING, runtime))[0]?.ignored).toMatch(/^it cannot be read: /)
  })
})
