import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { findGraph, type GraphEntry, readGraphs } from '../../lib/model/graphs'
import { folderOf, removeFolders } from '../support/temporary-folder'

afterAll(removeFolders)

const SHIPPED = join(__dirname, '../../graphs')
const CODE = 'a graph'

const ENTRY: GraphEntry = {
  component: 'prior',
  class: 'WuerstchenPrior',
  config: { c: 1536, c_in: 16, depth: 32 },
  defaults: { c: 1280, c_in: 16, depth: 16 },
  file: 'prior.pt',
  sha256: createHash('sha256').update(CODE).digest('hex'),
  methods: { step: { inputs: [{ name: 'x', dtype: 'model', shape: ['B', 1], many: false }], outputs: [] } },
  parameters: [{ name: 'projection.weight', shape: [1536, 16, 1, 1] }],
  ignored: [],
}
const COMPILED = {
  method: 'step',
  file: 'prior.step.pt2',
  sha256: createHash('sha256').update(CODE).digest('hex'),
  device: 'cpu',
  dtype: 'float32',
  capability: 'AVX2',
  torch: '2.13.0',
}
const manifest = (entry: object, rest: object = {}) => ({
  format: 1,
  name: 'v2',
  torch: '2.13.0',
  graphs: [{ ...ENTRY, ...entry }],
  ...rest,
})
const graphs = (content: object = manifest({}), code = CODE) =>
  folderOf({ 'manifest.json': content, 'prior.pt': code })

type Network = [networkClass: GraphEntry['class'], config: Record<string, unknown>]
const findIn = async (folders: readonly string[], ...network: Network) =>
  findGraph(await readGraphs(folders), ...network)

describe('findGraph()', () => {
  it('finds the graph that a config describes, whatever else the config says', async () => {
    const folder = graphs()
    const config = { _class_name: 'WuerstchenPrior', c: 1536, depth: 32, c_in: 16, dropout: 0.1 }
    expect(await findIn([folder], 'WuerstchenPrior', config)).toEqual({
      path: join(folder, 'prior.pt'),
      entry: ENTRY,
      compiled: [],
      torch: '2.13.0',
    })
  })

  it("fills in the class's defaults where the config leaves a field out", async () => {
    const found = findIn([graphs()], 'WuerstchenPrior', { c: 1536, depth: 32 })
    await expect(found).resolves.toBeDefined()
  })

  it('compares lists by their entries', async () => {
    const folder = graphs(manifest({ config: { blocks: [1, [2]] }, defaults: { blocks: [] } }))
    await expect(findIn([folder], 'WuerstchenPrior', { blocks: [1, [2]] })).resolves.toBeDefined()
    await expect(findIn([folder], 'WuerstchenPrior', { blocks: [1, [3]] })).rejects.toBeDefined()
  })

  it('looks in folders of folders, and takes the first that fits', async () => {
    const first = {
      'b/manifest.json': manifest({}),
      'b/prior.pt': CODE,
      'a/readme.md': '',
      'c/manifest.json': manifest({ config: {} }),
    }
    const folder = folderOf(first)
    const { path } = await findIn(
      [folderOf({}), 'no-such-folder', folder, graphs()],
      'WuerstchenPrior',
      ENTRY.config,
    )
    expect(path).toBe(join(folder, 'b/prior.pt'))
  })

  it('says which field differs from the nearest graph, and how to export one', async () => {
    const near = graphs()
    const far = graphs(manifest({ config: { c: 1, c_in: 1, depth: 1 } }))
    await expect(findIn([far, near], 'WuerstchenPrior', { c: 1536, depth: 8 })).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_GRAPH_NOT_FOUND',
      message: expect.stringMatching(
        /nearest is v2\/prior\.pt, but depth is 8 where the graph has 32\. Run `npx wuerstchen export FOLDER`/,
      ),
      details: { differences: ['depth is 8 where the graph has 32'] },
    })
  })

  it('says so where there is no graph of the class', async () => {
    await expect(findIn([graphs()], 'PaellaVQModel', {})).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_GRAPH_NOT_FOUND',
      message: expect.stringMatching(/none of this class/),
    })
    await expect(findIn([], 'PaellaVQModel', {})).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_GRAPH_NOT_FOUND',
    })
  })

  it('refuses a graph that is not the one of its checksum, and one that is not there', async () => {
    for (const folder of [graphs(manifest({}), `${CODE}!`), folderOf({ 'manifest.json': manifest({}) })]) {
      await expect(findIn([folder], 'WuerstchenPrior', ENTRY.config)).rejects.toMatchObject({
        code: 'ERR_WUERSTCHEN_GRAPH_INVALID',
        message: expect.stringContaining(join(folder, 'prior.pt')),
      })
    }
  })

  it.each<[string, object]>([
    ['another format', manifest({}, { format: 2 })],
    ['no graphs', manifest({}, { graphs: {} })],
    ['a graph that is text', manifest({}, { graphs: ['x'] })],
    ['a file in another folder', manifest({ file: '../prior.pt' })],
    ['no checksum', manifest({ sha256: '' })],
    ['a config that is a list', manifest({ config: [] })],
    ['parameters without a shape', manifest({ parameters: [{ name: 'x' }] })],
    ['methods without inputs', manifest({ methods: { step: {} } })],
    ['ignored names that are numbers', manifest({ ignored: [1] })],
    ['compiled methods elsewhere', manifest({ compiled: [{ ...COMPILED, file: '../prior.pt2' }] })],
    ['compiled methods for nobody', manifest({ compiled: [{ ...COMPILED, device: 'tpu' }] })],
  ])('refuses a manifest with %s', async (_, content) => {
    await expect(findIn([graphs(content)], 'WuerstchenPrior', ENTRY.config)).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_GRAPH_INVALID',
      message: expect.stringMatching(/manifest\.json/),
    })
  })

  it('refuses a manifest that is no JSON', async () => {
    const folder = folderOf({ 'manifest.json': '{' })
    await expect(findIn([folder], 'WuerstchenPrior', {})).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_MODEL_INVALID',
    })
  })

  it.each([
    ['WuerstchenPrior', { c: 1536, c_cond: 1280, depth: 32, nhead: 24 }, 648],
    ['WuerstchenDiffNeXt', {}, 990],
    ['PaellaVQModel', {}, 122],
    [
      'CLIPTextModel',
      {
        hidden_size: 1280,
        num_hidden_layers: 32,
        num_attention_heads: 20,
        intermediate_size: 5120,
        hidden_act: 'gelu',
      },
      516,
    ],
  ] as const)('finds the shipped graph for the %s of v2', async (networkClass, config, parameters) => {
    const { entry, torch } = await findIn([SHIPPED], networkClass, config)
    expect(entry.parameters).toHaveLength(parameters)
    expect(torch).toMatch(/^\d+\.\d+\.\d+$/)
  })
})
