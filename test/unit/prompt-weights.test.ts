import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { decode } from '../../lib/embeddings/safetensors'
import { PromptSyntaxError } from '../../lib/errors'
import { type Encode, embedPlan } from '../../lib/text/emphasis'
import { fragmentsOf } from '../../lib/text/fragments'
import { parsePrompt } from '../../lib/text/syntax/parse'
import type { LoraNode, PromptNode, PromptTree } from '../../lib/text/syntax/tree'
import { loadTokenizer, type Tokenizer } from '../../lib/text/tokenizer'
import { planText } from '../../lib/text/weights'
import golden from '../goldens/compel.json'

const GOLDENS = join(__dirname, '../goldens')
const CHANNELS = 8
const FIRST = { step: 1, steps: 1 }

interface Case {
  readonly text: string
  readonly error?: string
  readonly combine?: string
  readonly normalized?: boolean
  readonly weights?: readonly number[]
  readonly parts?: readonly (readonly unknown[])[]
  readonly loras?: readonly (readonly [string, number])[]
  readonly truncate?: readonly [number, number]
  readonly chunk?: readonly [number, number]
}

const cases = golden.cases as unknown as readonly Case[]
const { tensors } = decode(readFileSync(join(GOLDENS, 'compel.safetensors')), 'the goldens')

function numbers(name: string): Float32Array {
  const tensor = tensors.get(name)
  if (tensor === undefined) throw new Error(`no ${name}`)
  return tensor.data
}

const places = placesOf()

function placesOf(): ReadonlyMap<string, number> {
  const [ids, masks, { length }] = [numbers('ids'), numbers('masks'), golden]
  const rows = ids.length / length
  const row = (data: Float32Array, index: number) => data.subarray(index * length, (index + 1) * length)
  const keys = Array.from(
    { length: rows },
    (_, index) => `${row(ids, index).join()} ${row(masks, index).join()}`,
  )
  return new Map(keys.map((key, index) => [key, index]))
}

/** Compel's text encoder, from its answers. */
function recorded(): Encode {
  const { length } = golden
  return async (tokens) => {
    const place = places.get(`${tokens.ids.join()} ${tokens.mask.join()}`)
    if (place === undefined)
      throw new Error(`Compel's text encoder never read ${tokens.ids.join()} ${tokens.mask.join()}`)
    const size = length * CHANNELS
    return { shape: [1, length, CHANNELS], data: numbers('hidden').slice(place * size, (place + 1) * size) }
  }
}

function flat(tree: PromptTree): unknown {
  return tree.parts.map(({ children }) => {
    const [fragments = []] = fragmentsOf(children, 'compel', FIRST)
    const texts = fragments.map(({ text, weight }) => [text, weight])
    return texts.length === 0 ? [['', 1]] : texts
  })
}

/** Without white space: Compel puts more of it around punctuation, which no tokenizer sees. */
function tight(parts: unknown): unknown {
  return JSON.parse(JSON.stringify(parts), (_, value) =>
    typeof value === 'string' ? value.replace(/\s/g, '') : value,
  )
}

function furthest(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY
  return a.reduce((most, value, index) => Math.max(most, Math.abs(value - (b[index] as number))), 0)
}

/** What Compel reads as free text because a lone + makes it give up on brackets and quotes: we go on. */
const FREE = /\.\+"/

describe('Compel', () => {
  let tokenizer: Tokenizer
  beforeAll(async () => {
    const long = await loadTokenizer(join(GOLDENS, 'tokenizer'), { maxPositions: 256, vocabularySize: 794 })
    tokenizer = Object.assign(Object.create(long) as Tokenizer, { length: golden.length })
  })
  const computed = cases.filter(({ text, truncate }) => truncate !== undefined && !FREE.test(text))

  it('has at least 250 prompts', () => {
    expect(computed.length).toBeGreaterThan(250)
  })

  it('has long ones with words below 1 among them, read in several pieces', () => {
    const lighter = (parts: unknown): boolean =>
      Array.isArray(parts) && (parts.some(lighter) || (typeof parts[0] === 'string' && parts[1] < 1))
    const long = computed.filter(({ chunk, parts }) => chunk !== undefined && lighter(parts))
    expect(long.length).toBeGreaterThan(40)
  })

  /** What Compel takes for text, and we for a mistake; and `".-"`, of which it makes one word. */
  const OURS = [
    ...['a badly (formed demo prompt', 'a badly (formed +demo prompt', '(((a badly (formed +demo )prompt'],
    ...[
      '(a (ba)dly (f)ormed +demo prompt',
      '(a (ba)dly (f)ormed +demo +prompt',
      '("((a badly (formed +demo ").blend(1.0)',
    ],
  ]

  it('refuses what Compel refuses, and what it takes for text because a bracket is open', () => {
    const refused = cases.filter(({ text }) => {
      try {
        parsePrompt(text, { syntax: 'compel' })
        return false
      } catch (error) {
        if (error instanceof PromptSyntaxError) return true
        throw error
      }
    })
    const theirs = cases.filter(({ error }) => error !== undefined)
    expect(theirs.length).toBeGreaterThan(3)
    expect(refused.map(({ text }) => text).sort()).toEqual(
      [...OURS, ...theirs.map(({ text }) => text)].sort(),
    )
  })

  const parsed = cases.filter(({ text, error, parts }) => {
    return (
      error === undefined &&
      !OURS.includes(text) &&
      !FREE.test(text) &&
      !JSON.stringify(parts).includes('swap')
    )
  })

  it.each(parsed)('reads $text as it does', ({ text, combine, normalized, weights, parts, loras }) => {
    const tree = parsePrompt(text, { syntax: 'compel' })
    expect(tight(flat(tree))).toEqual(tight(parts))
    expect(tree.parts.map(({ weight }) => weight)).toEqual(weights)
    if (combine === 'blend') expect(tree).toMatchObject({ combine, normalized })
    const found = [...lorasIn(tree.parts.flatMap(({ children }) => children)), ...tree.loras]
    expect(found.map(({ name, weight }) => [name, weight ?? 1])).toEqual(loras)
  })

  it.each(computed.filter(({ text }) => !OURS.includes(text)))(
    'computes $text as it does',
    async ({ text, truncate, chunk }) => {
      const tree = parsePrompt(text, { syntax: 'compel' })
      for (const longPrompts of ['truncate', 'chunk'] as const) {
        const [at, count] = (longPrompts === 'chunk' ? chunk : truncate) ?? [0, 0]
        if (count === 0) continue
        const plan = planText(tree, tokenizer, { source: text, longPrompts, moment: FIRST })
        const { shape, data } = await embedPlan(plan, recorded())
        expect(shape).toEqual([1, count, CHANNELS])
        expect(furthest(data, numbers('results').subarray(at, at + count * CHANNELS))).toBeLessThan(1e-6)
      }
    },
  )
})

function lorasIn(nodes: readonly PromptNode[]): LoraNode[] {
  return nodes.flatMap((node) => {
    if (node.type === 'lora') return [node]
    return node.type === 'weight' ? lorasIn(node.children) : []
  })
}

describe("AUTOMATIC1111's weights", () => {
  const tokens = { ids: new Int32Array(4), mask: new Int32Array(4).fill(1), truncated: null }
  const values = Float32Array.from({ length: 12 }, (_, index) => Math.sin(index) + 0.3)
  const encode: Encode = async () => ({ shape: [1, 4, 3], data: values })

  it('scale each token, then bring the mean back', async () => {
    const weights = Float64Array.of(1, 1.3, 0.5, 1)
    const chunk = { tokens, weights, emphasis: 'a1111' as const, without: [] }
    const parts = [{ weight: 1, members: [{ factor: 1, chunks: [chunk] }] }]
    const { data } = await embedPlan({ parts, empty: tokens, chunks: 1, truncated: null }, encode)
    // The published formula, z' = z w, z'' = z' mean(z) / mean(z'), number by number.
    const scaled = Array.from(values, (value, index) => value * (weights[Math.floor(index / 3)] as number))
    const mean = (numbers: Iterable<number>) => Array.from(numbers).reduce((sum, one) => sum + one, 0) / 12
    const wanted = scaled.map((value) => (value * mean(values)) / mean(scaled))
    expect(furthest(data, Float32Array.from(wanted))).toBeLessThan(1e-6)
    expect(mean(data)).toBeCloseTo(mean(values), 6)
  })
})
