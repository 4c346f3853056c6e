import { type Candidate, chooseBatch } from '../../lib/engine/batching'

const LIMITS = { maxRows: 8, patience: 16 }

function candidate(name: string, batchKey: string, rest: Partial<Candidate> = {}) {
  const stage = batchKey.split(' ')[0] as Candidate['stage']
  return { name, batchKey, stage, rows: 1, waited: 0, priority: 0, ...rest }
}

function chosen(candidates: ReturnType<typeof candidate>[], limits = LIMITS): string {
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
    expect(chosen(jobs, { maxRows: 3, patience: 16 })).toBe('a')
  })

  it('runs a job alone that exceeds the limit by itself', () => {
    expect(chosen([candidate('a', 'prior x', { rows: 2 })], { maxRows: 1, patience: 16 })).toBe('a')
  })

  it('prefers the later stage, so that pictures leave early', () => {
    const jobs = [candidate('a', 'prior x'), candidate('b', 'decoder x'), candidate('c', 'vqgan x')]
    expect(chosen(jobs)).toBe('c')
    expect(chosen(jobs.slice(0, 2))).toBe('b')
  })

  it('prefers the oldest job among groups of one stage', () => {
    expect(
      chosen([candidate('a', 'decoder y'), candidate('b', 'decoder x'), candidate('c', 'decoder x')]),
    ).toBe('a')
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
    expect(chosen(mates, { maxRows: 2, patience: 16 })).toBe('b')
  })

  it('lets no priority starve the others, in another group or in its own', () => {
    const urgent = candidate('u', 'prior x', { priority: 10, rows: 2 })
    expect(chosen([candidate('a', 'prior y', { waited: 16 }), urgent])).toBe('a')
    const mate = candidate('a', 'prior x', { waited: 16, rows: 2 })
    expect(chosen([mate, urgent], { maxRows: 2, patience: 16 })).toBe('a')
  })

  it('lets everybody have a turn in the end, whatever the priorities', () => {
    const jobs = Array.from({ length: 12 }, (_, index) =>
      candidate(String(index), `prior ${index % 5}`, { priority: index % 4, rows: 1 + (index % 2) }),
    )
    const turns = jobs.map(() => 0)
    for (let turn = 0; turn < 400; turn++) {
      const batch = chooseBatch(jobs, { maxRows: 2, patience: 16 })
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
