import { type Candidate, chooseBatch } from '../../lib/engine/batching'

const LIMITS = { maxRows: 8, patience: 16 }

function candidate(name: string, batchKey: string, rest: Partial<Candidate> = {}) {
  const stage = batchKey.split(' ')[0] as Candidate['stage']
  return { name, batchKey, stage, rows: 1, waited: 0, ...rest }
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

  it('lets the one go first that has waited longest', () => {
    const jobs = [
      candidate('a', 'prior x', { waited: 16 }),
      candidate('b', 'prior y', { waited: 20 }),
      candidate('c', 'decoder x'),
    ]
    expect(chosen(jobs)).toBe('b')
  })
})
