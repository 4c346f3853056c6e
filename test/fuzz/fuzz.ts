/**
 * Files that anybody may have written, read again and again with something changed: a reader takes each or refuses it with an
 * error of this package, soon, and never ends the process. By itself it changes the files in the same way each time, so that what
 * passed once passes again: FILES of them. Other changes, and longer, by hand: `FUZZ_SEED=random FUZZ_SECONDS=3600 npm run test:fuzz`.
 */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { WuerstchenError } from '../../lib/errors'

export interface FuzzTarget {
  /** A folder of `corpus/`; each file there is named `<anything>~<the name that the reader knows it by>`. */
  readonly name: string
  /** Further files to start from. */
  readonly seeds?: readonly string[]
  /** Reads one file; checks what it returns. */
  readonly read: (name: string, bytes: Buffer) => unknown
  /** Errors of libraries that the reader promises to pass on. */
  readonly passesOn?: (error: unknown) => boolean
}

const FILES = 1000
const SECONDS = Number(process.env.FUZZ_SECONDS ?? 0)
const { FUZZ_SEED = '1' } = process.env
const SEED = FUZZ_SEED === 'random' ? Math.trunc(Math.random() * 2 ** 31) : Number(FUZZ_SEED)
const SLOW_CPU_MS = 5_000 // for one small file; of this process alone, whatever else the machine does
const LONGEST_MESSAGE = 5_000

interface Seed {
  readonly file: string
  readonly name: string
  readonly bytes: Buffer
}

function seedsOf({ name, seeds = [] }: FuzzTarget): Seed[] {
  const folder = join(__dirname, 'corpus', name)
  const kept = existsSync(folder) ? readdirSync(folder).map((file) => join(folder, file)) : []
  return [...kept, ...seeds].map((file) => ({
    file,
    name: file.split(/[~/]/).at(-1) as string,
    bytes: readFileSync(file),
  }))
}

/** Defines the tests of one reader. */
export function fuzz(target: FuzzTarget): void {
  const seeds = seedsOf(target)

  it('has files to start from', () => {
    expect(seeds.length).toBeGreaterThan(0)
  })

  it.each(seeds.map((seed) => [seed.file.split('/').at(-1), seed] as const))(
    'reads or refuses %s',
    (_, seed) => attempt(target, seed.name, seed.bytes),
  )

  it(
    `reads or refuses what else is written, ${SECONDS > 0 ? `for ${SECONDS} s` : `${FILES} files`}`,
    async () => {
      let runs = 0
      let over = false // the time: the last file may still be at work, and its folder gone
      const property = fc.asyncProperty(changedFile(seeds), async ({ name, bytes }) => {
        runs += 1
        await attempt(target, name, bytes).catch((error) => {
          if (!over) keep(target, name, bytes)
          throw error
        })
      })
      const limits =
        SECONDS > 0
          ? { numRuns: Number.MAX_SAFE_INTEGER, interruptAfterTimeLimit: SECONDS * 1000 }
          : { numRuns: FILES }
      await fc.assert(property, { seed: SEED, endOnFailure: true, ...limits })
      over = true
      expect(runs).toBeGreaterThanOrEqual(SECONDS > 0 ? 20 : FILES)
    },
    SECONDS * 1000 + 60_000,
  )
}

async function attempt({ read, passesOn }: FuzzTarget, name: string, bytes: Buffer): Promise<void> {
  const started = process.cpuUsage()
  try {
    await read(name, bytes)
  } catch (error) {
    if (passesOn?.(error)) return
    if (!(error instanceof WuerstchenError)) throw error
    expect(error.message.length).toBeLessThan(LONGEST_MESSAGE)
    expect(error.code).not.toBe('ERR_WUERSTCHEN_INTERNAL')
  }
  const { user, system } = process.cpuUsage(started)
  expect((user + system) / 1000).toBeLessThan(SLOW_CPU_MS)
}

/** A file that failed stays in the corpus, to be looked at and kept for ever. */
function keep({ name: folder }: FuzzTarget, name: string, bytes: Buffer): void {
  const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 12)
  writeFileSync(join(__dirname, 'corpus', folder, `found-${hash}~${name}`), bytes)
}

/** One of the seeds with a few changes. */
function changedFile(seeds: readonly Seed[]): fc.Arbitrary<Pick<Seed, 'name' | 'bytes'>> {
  return fc
    .tuple(
      fc.constantFrom(...seeds),
      fc.constantFrom(...seeds),
      fc.array(change(), { minLength: 1, maxLength: 6 }),
    )
    .map(([seed, other, changes]) => ({
      name: seed.name,
      bytes: changes.reduce((bytes, apply) => apply(bytes, other.bytes), seed.bytes),
    }))
}

type Change = (bytes: Buffer, other: Buffer) => Buffer

/** Values that readers trip over. */
const JSON_VALUES = [
  null,
  true,
  0,
  -1,
  -0,
  1.5,
  1e308,
  2 ** 53,
  -(2 ** 63),
  '',
  ' ',
  '\0',
  '..',
  '../x',
  '__proto__',
  '\ud800',
  [],
  [[]],
  {},
  { a: {} },
  'x'.repeat(70_000),
  Array.from({ length: 1000 }, () => 0),
  [2 ** 32, 2 ** 32, 2 ** 32],
] as const
const BYTES = [
  '',
  '\0',
  '"',
  '\\',
  '{',
  '}',
  '[',
  ']',
  ':',
  ',',
  '\n',
  '\r\n',
  '---\n',
  '\ufeff',
  '\u2028',
  '1e999',
  '-',
  'prior:',
  '{"a":'.repeat(2000),
  '['.repeat(5000),
]

function change(): fc.Arbitrary<Change> {
  const place = fc.double({ min: 0, max: 1, noNaN: true })
  const at = (bytes: Buffer, where: number) => Math.floor(where * bytes.length)
  const splice = (bytes: Buffer, from: number, count: number, put: Uint8Array) =>
    Buffer.concat([bytes.subarray(0, from), put, bytes.subarray(from + count)])
  return fc.oneof(
    fc.tuple(place, fc.nat(255)).map(
      ([where, byte]): Change =>
        (bytes) =>
          splice(bytes, at(bytes, where), 1, Uint8Array.of(byte)),
    ),
    fc.tuple(place, fc.nat(7)).map(
      ([where, bit]): Change =>
        (bytes) => {
          const index = at(bytes, where)
          return splice(bytes, index, 1, Uint8Array.of((bytes[index] ?? 0) ^ (1 << bit)))
        },
    ),
    fc.tuple(place, fc.nat(16), fc.constantFrom(...BYTES)).map(
      ([where, count, text]): Change =>
        (bytes) =>
          splice(bytes, at(bytes, where), count, Buffer.from(text)),
    ),
    place.map(
      (where): Change =>
        (bytes) =>
          bytes.subarray(0, at(bytes, where)),
    ),
    fc.tuple(place, place).map(
      ([from, to]): Change =>
        (bytes, other) =>
          Buffer.concat([bytes.subarray(0, at(bytes, from)), other.subarray(at(other, to))]),
    ),
    fc.tuple(fc.nat(7), fc.nat(255)).map(
      ([index, byte]): Change =>
        (bytes) =>
          bytes.length < 8 ? bytes : splice(bytes, index, 1, Uint8Array.of(byte)),
    ),
    fc.tuple(fc.nat(1_000_000), fc.constantFrom(...JSON_VALUES)).map(
      ([which, value]): Change =>
        (bytes) =>
          withOtherValue(bytes, which, value),
    ),
    fc.tuple(fc.nat(1_000_000), fc.constantFrom(...JSON_VALUES)).map(
      ([which, value]): Change =>
        (bytes) =>
          withOtherValue(bytes, which, value),
    ),
  )
}

/** The JSON in a file, alone or behind the length of a safetensors header, with another value somewhere. */
function withOtherValue(bytes: Buffer, which: number, value: unknown): Buffer {
  const start = bytes[8] === 0x7b && bytes.length > 8 ? 8 : 0
  const length = start === 0 ? bytes.length : Number(bytes.readBigUInt64LE() & 0xffffffn)
  let root: unknown
  try {
    root = JSON.parse(bytes.subarray(start, start + length).toString())
  } catch {
    return bytes
  }
  const owners: [Record<string, unknown>, string][] = []
  const visit = (node: unknown, depth: number) => {
    if (typeof node !== 'object' || node === null || depth > 20 || owners.length > 5000) return
    for (const key of Object.keys(node)) {
      owners.push([node as Record<string, unknown>, key])
      visit((node as Record<string, unknown>)[key], depth + 1)
    }
  }
  visit(root, 0)
  const [owner, key] = owners[which % Math.max(1, owners.length)] ?? []
  if (owner === undefined || key === undefined) root = value
  else owner[key] = value
  const text = Buffer.from(JSON.stringify(root) ?? '')
  if (start === 0) return text
  const head = Buffer.alloc(8)
  head.writeBigUInt64LE(BigInt(text.length))
  return Buffer.concat([head, text, bytes.subarray(start + length)])
}
