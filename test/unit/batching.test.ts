import { type BatchLimits, type Candidate, chooseBatch } from '../../lib/engine/batching'

const LIMITS = { maxRows: 8, patience: 16, courtesy: 4 }

function candidate(name: string, batchKey: string, rest: Partial<Candidate> = {}) {
  const stage = batchKey.split(' ')[0] as Candidate['stage']
  return { name, batchKey, stage, rows: 1, waited: 0, priority: 0, share: 0, ...rest }
}

function chosen(candidates: ReturnType<typeof candidate>[], limits: BatchLimits = LIMITS): string {
  return chooseBatch(candidates, limits)
    .map(({ name }) => name)
    .join('')
}

describe('chooseBatch()', () => {
  it('chooses nobody when nobody waits', () => {
    expect(chooseBatch([], LIMITS)).toEqual([])
  })

  it('puts jobs with one key into one batch, oldest first', () => {
    expect(chosen([candidate('a', 'prior x'), candidate('b', 'prior y'), candidate('c', 'prior x')])).toBe(
      'ac',
    )
  })

  it('counts a guided job as two rows', () => {
    const guided = ['a', 'b', 'c', 'd', 'e'].map((name) => candidate(name, 'prior x', { rows: 2 }))
    expect(chosen(guided)).toBe('abcd')
  })

  it('lets no smaller job overtake one that does not fit', () => {
    const jobs = [
      candidate('a', 'prior x', { rows: 2 }),
      candidate('b', 'prior x', { rows: 2 }),
      candidate('c', 'prior x'),
    ]
    expect(chosen(jobs, { ...LIMITS, maxRows: 3 })).toBe('a')
  })

  it('fills the memory for batches and no more', () => {
    const jobs = [...'abc'].map((name) => candidate(name, 'prior x', { share: 0.4 }))
    expect(chosen(jobs)).toBe('ab')
    expect(chosen([candidate('a', 'prior x', { share: 1 }), candidate('b', 'prior x', { share: 0.1 })])).toBe(
      'a',
    )
  })

  it('goes on with the stage whose weights are there, until others lose patience', () => {
    const jobs = [candidate('a', 'prior x', { waited: 5 }), candidate('b', 'decoder x')]
    expect(chosen(jobs, { ...LIMITS, resident: 'decoder' })).toBe('b')
    expect(chosen(jobs, { ...LIMITS, resident: 'prior' })).toBe('a')
    const tired = [candidate('a', 'prior x', { waited: 16 }), candidate('b', 'decoder x')]
    expect(chosen(tired, { ...LIMITS, resident: 'decoder' })).toBe('a')
  })

  it('runs a job alone that exceeds the limit by itself', () => {
    expect(chosen([candidate('a', 'prior x', { rows: 2 })], { ...LIMITS, maxRows: 1 })).toBe('a')
  })

  it('prefers the later stage, so that pictures leave early', () => {
    const jobs = [candidate('a', 'prior x'), candidate('b', 'decoder x'), candidate('c', 'vqgan x')]
    expect(chosen(jobs)).toBe('c')
    expect(chosen(jobs.slice(0, 2))).toBe('b')
  })

  it('prefers the oldest job among equal groups of one stage', () => {
    expect(chosen([candidate('a', 'decoder y'), candidate('b', 'decoder x')])).toBe('a')
  })

  it('prefers the batch with more company, up to three', () => {
    const alone = candidate('a', 'decoder x')
    const prior = (names: string) => [...names].map((name) => candidate(name, 'prior x'))
    expect(chosen([alone, ...prior('bc')])).toBe('bc')
    const decoder = [...'def'].map((name) => candidate(name, 'decoder y'))
    expect(chosen([...prior('wxyz'), ...decoder])).toBe('def') // both have company: the later stage
    expect(chosen([candidate('v', 'vqgan x'), ...prior('bcde')])).toBe('v')
  })

  it('lets a group give way to fuller ones only so often', () => {
    const others = [...'bcd'].map((name) => candidate(name, 'prior x'))
    expect(chosen([candidate('a', 'decoder x', { waited: 3 }), ...others])).toBe('bcd')
    expect(chosen([candidate('a', 'decoder x', { waited: 4 }), ...others])).toBe('a')
    const higher = others.map((job) => ({ ...job, priority: 1 }))
    expect(chosen([candidate('a', 'decoder x', { waited: 4 }), ...higher])).toBe('bcd')
  })

  it('gives everybody of one priority a turn in as many turns as there are groups and courtesy', () => {
    const jobs = [...Array(9).keys()].map((index) => candidate(String(index), `prior ${index % 4}`))
    const longest = jobs.map(() => 0)
    for (let turn = 0; turn < 200; turn++) {
      const batch = chooseBatch(jobs, LIMITS)
      for (const job of jobs) job.waited = batch.includes(job) ? 0 : job.waited + 1
      for (const [index, { waited }] of jobs.entries()) longest[index] = Math.max(longest[index] ?? 0, waited)
    }
    expect(Math.max(...longest)).toBeLessThanOrEqual(LIMITS.courtesy + 4)
  })

  it('decodes one picture at a time', () => {
    expect(chosen([candidate('a', 'vqgan x'), candidate('b', 'vqgan x')])).toBe('a')
  })

  it('lets a group go first that has waited too long', () => {
    const jobs = [candidate('a', 'prior x', { waited: 16 }), candidate('b', 'decoder x')]
    expect(chosen(jobs)).toBe('a')
  })

  it('lets a higher priority go first, whatever its stage and age', () => {
    const jobs = [
      candidate('a', 'prior x'),
      candidate('b', 'vqgan x'),
      candidate('c', 'prior y', { priority: 1 }),
    ]
    expect(chosen(jobs)).toBe('c')
    const mates = [
      candidate('a', 'prior x', { rows: 2 }),
      candidate('b', 'prior x', { rows: 2, priority: 1 }),
    ]
    expect(chosen(mates)).toBe('ba')
    expect(chosen(mates, { ...LIMITS, maxRows: 2 })).toBe('b')
  })

  it('lets no priority starve the others, in another group or in its own', () => {
    const urgent = candidate('u', 'prior x', { priority: 10, rows: 2 })
    expect(chosen([candidate('a', 'prior y', { waited: 16 }), urgent])).toBe('a')
    const mate = candidate('a', 'prior x', { waited: 16, rows: 2 })
    expect(chosen([mate, urgent], { ...LIMITS, maxRows: 2 })).toBe('a')
  })

  it('lets everybody have a turn in the end, whatever the priorities', () => {
    const jobs = Array.from({ length: 12 }, (_, index) =>
      candidate(String(index), `prior ${index % 5}`, { priority: index % 4, rows: 1 + (index % 2) }),
    )
    const turns = jobs.map(() => 0)
    for (let turn = 0; turn < 400; turn++) {
      const batch = chooseBatch(jobs, { ...LIMITS, maxRows: 2 })
      for (const job of jobs) job.waited += 1
      for (const job of batch) {
        job.waited = 0
        turns[Number(job.name)] = (turns[Number(job.name)] ?? 0) + 1
      }
    }
    expect(Math.min(...turns)).toBeGreaterThan(10)
  })

  it('lets the one go first that has waited longest', () => {
    const jobs = [
      candidate('a', 'prior x', { waited: 16 }),
      candidate('b', 'prior y', { waited: 20 }),
      candidate('c', 'decoder x'),
    ]
    expect(chosen(jobs)).toBe('b')
  })
})
