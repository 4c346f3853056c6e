import { Pace, Widths } from '../../lib/engine/pace'

/** Steps of a shape for which `cost` tells the milliseconds by width, with `there` pictures that could share them. */
function run(widths: Widths, cost: (width: number) => number, { steps = 2000, there = 8 } = {}): number[] {
  return Array.from({ length: steps }, () => {
    const width = Math.min(there, widths.widest('x'))
    widths.record('x', width, cost(width))
    return width
  })
}

const late = (widths: readonly number[]) => widths.slice(widths.length >> 1)
const share = (widths: readonly number[], width: number) =>
  widths.filter((one) => one === width).length / widths.length

describe('Widths', () => {
  it('makes batches as wide as can be where that is faster by the picture', () => {
    const widths = run(new Widths(), (width) => 3 + width)
    expect(share(late(widths), 8)).toBeGreaterThan(0.9)
  })

  it('makes them narrow where that is faster', () => {
    const widths = run(new Widths(), (width) => width ** 1.2)
    expect(share(late(widths), 1)).toBeGreaterThan(0.9)
  })

  it('finds what is best between', () => {
    const each = [0, 10, 8, 7.5, 6, 6.5, 7, 7.5, 8]
    const widths = run(new Widths(), (width) => width * (each[width] ?? Number.NaN))
    expect(share(late(widths), 4)).toBeGreaterThan(0.9)
  })

  it('takes the narrower of two that are nearly as fast: its pictures are finished sooner', () => {
    const widths = run(new Widths(), (width) => width * (width === 1 ? 1.5 : 1 - width / 1000))
    expect(share(late(widths), 2)).toBeGreaterThan(0.9)
  })

  it('loses a hundredth at most to its curiosity and to a first step that packs weights', () => {
    let first = true
    let spent = 0
    const widths = run(new Widths(), (width) => {
      const ms = (3 + width) * (first ? 50 : 1)
      spent += first ? 0 : 3 + width
      first = false
      return ms
    })
    const pictures = widths.slice(1).reduce((sum, width) => sum + width, 0)
    expect(spent / pictures).toBeLessThan(1.015 * (11 / 8))
  })

  it('believes no machine that does something else for a moment', () => {
    let step = 0
    const widths = run(new Widths(), (width) => (3 + width) * (step++ % 50 === 7 ? 20 : 1))
    expect(share(late(widths), 8)).toBeGreaterThan(0.8)
  })

  it('notices when the pace changes', () => {
    const widths = new Widths()
    run(widths, (width) => 3 + width)
    expect(share(late(run(widths, (width) => width ** 1.3)), 1)).toBeGreaterThan(0.8)
  })

  it('forgets the shapes that were not seen for longest', () => {
    const widths = new Widths(1)
    run(widths, (width) => width ** 1.2)
    expect(widths.widest('x')).toBe(1)
    widths.record('y', 1, 1)
    expect(widths.widest('x')).toBe(Number.POSITIVE_INFINITY)
  })
})

describe('Pace', () => {
  it('knows how long work takes once every kind of it was measured', () => {
    const pace = new Pace()
    pace.record('a', 10)
    expect(pace.estimate([{ key: 'a', steps: 3 }])).toBe(30)
    expect(pace.estimate([{ key: 'b', steps: 1 }])).toBeNull()
    expect(pace.estimate([{ key: 'b', steps: 0 }])).toBe(0)
  })
})
