import { type BatchLimits, type Candidate, chooseBatch } from '../../lib/engine/batching'

const LIMITS = { maxRows: 8, patience: 16, courtesy: 4 }

function candidate(name: string, batchKey: string, rest: Partial<Candidate> = {}) {
  const stage = batchKey.split(' ')[0] as Candidate['stage']
  return { name, batchKey, stage, rows: 1, waited: 0, priority: 0, arrival: 0, share: 0, kept: 0, ...rest }
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

  it('fills the memory for pictures and no more', () => {
    const jobs = [...'abc'].map((name) => candidate(name, 'prior x', { share: 0.4 }))
    expect(chosen(jobs)).toBe('ab')
    expect(chosen([candidate('a', 'prior x', { share: 1 }), candidate('b', 'prior x', { share: 0.1 })])).toBe(
      'a',
    )
  })

  it('leaves the memory that others hold, in the batch or not', () => {
    const jobs = [...'abc'].map((name) => candidate(name, 'prior x', { share: 0.2, kept: 0.1 }))
    expect(chosen(jobs)).toBe('abc')
    const held = candidate('d', 'decoder x', { kept: 0.3 })
    expect(chosen([...jobs, held])).toBe('ab')
  })

  it('goes on with the stage whose weights are there, as long as equals are in it', () => {
    const jobs = [candidate('a', 'prior x', { waited: 9 }), candidate('b', 'decoder x')]
    expect(chosen(jobs, { ...LIMITS, resident: 'decoder' })).toBe('b')
    expect(chosen(jobs, { ...LIMITS, resident: 'prior' })).toBe('a')
    const urgent = candidate('u', 'prior x', { priority: 1 })
    expect(chosen([...jobs, urgent], { ...LIMITS, resident: 'decoder' })).toBe('ua')
  })

  it('runs a job alone that exceeds the limit by itself', () => {
    expect(chosen([candidate('a', 'prior x', { rows: 2 })], { ...LIMITS, maxRows: 1 })).toBe('a')
  })

  it('prefers who arrived first among batches that are as full', () => {
    expect(chosen([candidate('a', 'decoder y'), candidate('b', 'decoder x')])).toBe('a')
    const late = candidate('a', 'decoder y', { arrival: 2 })
    expect(chosen([late, candidate('b', 'prior x', { arrival: 1 })])).toBe('b')
  })

  it('prefers a picture that only has to be decoded', () => {
    const jobs = [candidate('a', 'prior x'), candidate('b', 'decoder x'), candidate('c', 'vqgan x')]
    expect(chosen(jobs)).toBe('c')
  })

  it('prefers the batch with more company, up to three', () => {
    const alone = candidate('a', 'decoder x')
    const prior = (names: string) => [...names].map((name) => candidate(name, 'prior x'))
    expect(chosen([alone, ...prior('bc')])).toBe('bc')
    const decoder = [...'def'].map((name) => candidate(name, 'decoder y'))
    expect(chosen([...prior('wxyz'), ...decoder])).toBe('wxyz') // both have company: the first
  })

  it('lets the first in order give way to fuller ones only so often', () => {
    const others = [...'bcd'].map((name) => candidate(name, 'prior x'))
    expect(chosen([candidate('a', 'decoder x', { waited: 3 }), ...others])).toBe('bcd')
    expect(chosen([candidate('a', 'decoder x', { waited: 4 }), ...others])).toBe('a')
    const higher = others.map((job) => ({ ...job, priority: 1 }))
    expect(chosen([candidate('a', 'decoder x', { waited: 4 }), ...higher])).toBe('bcd')
  })

  it('makes no batch wider than pays, and waits for no more company than that', () => {
    const widest = (key: string) => (key === 'prior x' ? 2 : 1)
    const jobs = [candidate('a', 'decoder x'), ...[...'bcd'].map((name) => candidate(name, 'prior x'))]
    expect(chosen(jobs, { ...LIMITS, widest })).toBe('a')
    expect(chosen(jobs.slice(1), { ...LIMITS, widest })).toBe('bc')
  })

  it('decodes one picture at a time', () => {
    expect(chosen([candidate('a', 'vqgan x'), candidate('b', 'vqgan x')])).toBe('a')
  })

  it('lets a higher priority go first, whatever its stage and age', () => {
    const jobs = [
      candidate('a', 'prior x'),
      candidate('b', 'vqgan x'),
      candidate('c', 'prior y', { priority: 1, arrival: 9 }),
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

  it('lets the one go first that has waited longest for higher priorities', () => {
    const jobs = [
      candidate('a', 'prior x', { waited: 16 }),
      candidate('b', 'prior y', { waited: 20 }),
      candidate('c', 'decoder x', { priority: 1 }),
    ]
    expect(chosen(jobs)).toBe('b')
    expect(chosen(jobs.slice(0, 2))).toBe('a') // equals do not tire each other
  })

  it('lets everybody have a turn in the end, whatever the priorities', () => {
    const jobs = Array.from({ length: 4 }, (_, index) =>
      candidate(String(index), `prior ${index}`, { priority: index, rows: 1 + (index % 2) }),
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
})
