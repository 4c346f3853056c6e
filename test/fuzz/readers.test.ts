import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readParameters } from '../../lib/image/metadata'
import { findGraph, type GraphEntry, readGraphs } from '../../lib/model/graphs'
import { priorOfCard } from '../../lib/model/model-card'
import { parseBytes, readHeader } from '../../lib/model/safetensors'
import { loadTokenizer } from '../../lib/text/tokenizer'
import { folderOf, removeFolders } from '../support/temporary-folder'
import { fuzz } from './fuzz'

afterAll(removeFolders)

const goldens = (name: string) => join(__dirname, '..', 'goldens', 'tokenizer', name)

/** A folder that is written over for every file. */
let folder: string
beforeAll(() => {
  folder = folderOf({})
})
const written = (name: string, bytes: Buffer) => {
  writeFileSync(join(folder, name), bytes)
  return join(folder, name)
}

describe('The header of a safetensors file', () => {
  fuzz({
    name: 'safetensors',
    read: async (name, bytes) => {
      const inMemory = outcome(() => parseBytes(bytes, name))
      const header = await readHeader(written(name, bytes))
      expect(inMemory).toBe('read') // both readers agree
      let end = 0
      for (const { offset, bytes: size, shape } of header.tensors.values()) {
        expect(offset).toBeGreaterThanOrEqual(8)
        expect(shape.every((length) => Number.isSafeInteger(length) && length >= 0)).toBe(true)
        end = Math.max(end, offset + size)
      }
      expect(end).toBeLessThanOrEqual(bytes.length)
    },
  })
})

function outcome(work: () => unknown): 'read' | 'refused' {
  try {
    work()
    return 'read'
  } catch {
    return 'refused'
  }
}

describe('A model card', () => {
  fuzz({
    name: 'card',
    read: (_, bytes) => {
      const prior = priorOfCard(bytes.toString())
      if (prior !== null) expect(prior).not.toBe('')
    },
  })
})

describe("A picture's parameters", () => {
  fuzz({
    name: 'png',
    read: async (_, bytes) => {
      const parameters = await readParameters(bytes)
      if (parameters !== null) expect(typeof parameters.prompt).toBe('string')
    },
  })
})

describe('The files of a tokenizer', () => {
  fuzz({
    name: 'tokenizer',
    seeds: [
      'tokenizer.json',
      'vocab.json',
      'merges.txt',
      'tokenizer_config.json',
      'special_tokens_map.json',
    ].map(goldens),
    read: async (name, bytes) => {
      const slow = name === 'vocab.json' || name === 'merges.txt'
      const files = [
        'tokenizer_config.json',
        'special_tokens_map.json',
        ...(slow ? ['vocab.json', 'merges.txt'] : ['tokenizer.json']),
      ]
      const own = join(folder, slow ? 'slow' : 'fast')
      mkdirSync(own, { recursive: true })
      for (const file of files) writeFileSync(join(own, file), file === name ? bytes : golden(file))
      const tokenizer = await loadTokenizer(own, { maxPositions: 77, vocabularySize: 2000 })
      const { ids, mask } = tokenizer.tokenize(
        "a red circle, it's \ud83d\ude00 above a blue square ".repeat(20),
      )
      expect(ids).toHaveLength(tokenizer.length)
      expect(mask).toHaveLength(tokenizer.length)
      expect(ids.every((id) => id >= 0 && id < 2000)).toBe(true)
    },
  })
})

const kept = new Map<string, Buffer>()
function golden(name: string): Buffer {
  const known = kept.get(name) ?? require('node:fs').readFileSync(goldens(name))
  kept.set(name, known)
  return known
}

describe('The manifest of a folder of graphs', () => {
  fuzz({
    name: 'manifest',
    read: async (_, bytes) => {
      written('manifest.json', bytes)
      const graphs = await readGraphs([folder])
      for (const { class: network, config } of graphs.manifests[0]?.graphs ?? []) {
        const graph = await findGraph(graphs, network, config).catch((error) => {
          expect(error.code).toMatch(/^ERR_WUERSTCHEN_GRAPH_/)
          return null
        })
        if (graph !== null) expect((graph.entry as GraphEntry).file).toMatch(/^[\w.-]+\.pt$/)
      }
    },
  })
})
