import fc from 'fast-check'
import { Crowd } from '../../lib/engine/crowd'
import { FakeJob, play, type Wish } from '../support/simulation'

const LIMITS = { maxRows: 8, patience: 32, courtesy: 4 }

const WISH: Wish = {
  comes: 0,
  priority: 0,
  shape: 0,
  guided: true,
  steps: { prior: 29, decoder: 12 },
  kept: 0,
  share: 0,
}

const wish: fc.Arbitrary<Wish> = fc.record({
  comes: fc.nat(200),
  priority: fc.constantFrom(0, 0, 0, 1, 10),
  shape: fc.nat(3),
  guided: fc.boolean(),
  steps: fc.record({ prior: fc.integer({ min: 1, max: 30 }), decoder: fc.integer({ min: 1, max: 12 }) }),
  kept: fc.constantFrom(0, 0.02, 0.1, 0.3),
  share: fc.constantFrom(0.05, 0.2, 0.6),
})
const wishes = fc.array(wish, { minLength: 1, maxLength: 60 })
const limits = fc.record({
  maxRows: fc.constantFrom(1, 2, 8, 16),
  patience: fc.constant(32),
  courtesy: fc.constant(4),
  resident: fc.constantFrom(null, 'prior' as const),
})

const alike = (count: number, rest: Partial<Wish> = {}) =>
  Array.from({ length: count }, () => ({ ...WISH, ...rest }))
const ends = (jobs: readonly FakeJob[]) => jobs.map(({ lastTurn }) => lastTurn ?? Number.NaN)
const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0)

describe('Crowd', () => {
  it('finishes equals in order of arrival, from early on', () => {
    const turns = ends(play(alike(150), LIMITS))
    expect(turns).toEqual([...turns].sort((a, b) => a - b))
    const last = Math.max(...turns)
    expect(turns[75] ?? 0).toBeLessThan(0.55 * last)
    expect(turns[0] ?? 0).toBeLessThan(0.05 * last)
    // As few turns as full batches need: four guided pictures in eight rows.
    expect(last).toBeLessThan(1.02 * (Math.ceil(150 / 4) * (29 + 12) + 150))
  })

  it('finishes who is urgent nearly as if nobody else were there, however many are', () => {
    for (const others of [16, 150, 1000]) {
      const jobs = play([...alike(others), { ...WISH, comes: 20, priority: 10, shape: 1 }], LIMITS)
      const urgent = jobs.at(-1)
      expect((urgent?.lastTurn ?? Number.NaN) - 20).toBeLessThan(1.25 * (29 + 12))
    }
  })

  it('lets in by priority, however those of different ones come', () => {
    const jobs = play(
      alike(60).map((one, index) => ({ ...one, priority: index % 3 })),
      LIMITS,
    )
    const mean = (priority: number) =>
      sum(ends(jobs.filter(({ wish }) => wish.priority === priority))) / jobs.length
    expect(mean(2)).toBeLessThan(0.6 * mean(1))
    expect(mean(1)).toBeLessThan(0.8 * mean(0))
  })

  it('lets few begin, and more only for higher priorities', () => {
    const levels = alike(40).map((one, index) => ({ ...one, comes: index, priority: index }))
    for (const [list, most] of [
      [alike(60), 16],
      [levels, 32],
    ] as const) {
      let rows = 0
      play(list, LIMITS, (_, jobs) => {
        rows = Math.max(rows, sum(jobs.filter(({ begun }) => begun).map(({ mostRows }) => mostRows)))
      })
      expect(rows).toBeGreaterThan(4)
      expect(rows).toBeLessThanOrEqual(most)
    }
  })

  it('lets those of low priority finish, too, under urgent ones without end', () => {
    const urgent = Array.from({ length: 2000 }, (_, index) => ({
      ...WISH,
      comes: 4 * index,
      priority: 10,
    }))
    const jobs = play([{ ...WISH, shape: 1 }, ...urgent], LIMITS)
    expect(jobs[0]?.lastTurn).toBeLessThan((29 + 12 + 1) * 33 + 50)
  })

  it('takes a whole stage with those who are in before it changes weights', () => {
    let changes = 0
    let resident: FakeJob['stage'] | null = null
    const limits = {
      ...LIMITS,
      get resident() {
        return resident
      },
    }
    play(alike(80), limits, ([first]) => {
      if (first?.stage !== resident) changes += 1
      resident = first?.stage ?? null
    })
    expect(changes).toBe((3 * 80) / 8)
  })

  it('holds nobody back who may not run yet, for one who may', () => {
    const crowd = new Crowd<FakeJob>()
    const jobs = alike(20).map((one, index) => new FakeJob(index, one))
    crowd.add(jobs)
    crowd.next(LIMITS)
    expect(crowd.next(LIMITS, ({ name }) => name === 19).map(({ name }) => name)).toEqual([19])
    expect(crowd.next(LIMITS, () => false)).toEqual([])
    crowd.remove(({ name }) => name !== 3)
    expect(crowd.members.map(({ name }) => name)).toEqual([3])
  })

  it('finishes everybody, whatever comes', () => {
    fc.assert(fc.property(wishes, limits, (list, limit) => ends(play(list, limit)).every(Number.isFinite)))
  })

  it('never holds more memory than there is, unless one picture alone does', () => {
    fc.assert(
      fc.property(wishes, limits, (list, limit) => {
        play(list, limit, (batch, jobs) => {
          const begun = jobs.filter((job) => job.begun || batch.includes(job))
          const used = sum(begun.map(({ kept }) => kept)) + sum(batch.map(({ share }) => share))
          expect(begun.length === 1 || used <= 1 + 1e-9).toBe(true)
        })
      }),
    )
  })

  it('never lets more rows begin than four batches have, or one picture', () => {
    fc.assert(
      fc.property(wishes, limits, (list, limit) => {
        play(list, limit, (_, jobs) => {
          const begun = jobs.filter((job) => job.begun)
          expect(sum(begun.map(({ mostRows }) => mostRows))).toBeLessThanOrEqual(
            Math.max(2, 4 * limit.maxRows),
          )
        })
      }),
    )
  })

  it('lets nobody be overtaken by more than a few dozen equals that came later', () => {
    const equals = fc.array(
      wish.map((one) => ({ ...one, priority: 0, kept: 0, share: 0 })),
      { minLength: 1, maxLength: 100 },
    )
    fc.assert(
      fc.property(equals, (list) => {
        const inOrder = [...list].sort((a, b) => a.comes - b.comes)
        const jobs = play(inOrder, LIMITS)
        for (const [index, job] of jobs.entries()) {
          const overtakers = jobs
            .slice(index + 1)
            .filter(({ lastTurn }) => (lastTurn ?? 0) < (job.lastTurn ?? 0))
          expect(overtakers.length).toBeLessThanOrEqual(48)
        }
      }),
    )
  })
})
