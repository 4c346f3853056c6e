/** The parts of the benchmarks that need no measurement. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { collectedOf, compare, kindOf, readProcessor, sectionOf } from '../../bench/support/baseline'
import { lineChart, tickStep } from '../../bench/support/chart'
import { busyTicks, ticksOf } from '../../bench/support/load'
import { commandOf, withTable } from '../../bench/support/manual'
import { PEERS, readOptions, STAGES } from '../../bench/support/options'
import { apart, median, spread } from '../../bench/support/statistics'
import { bestPeer, type Measured, share, stageTable } from '../../bench/support/tables'

const measured = (name: string, times: number[], failure: string | null = null): Measured => ({
  name,
  times,
  median: failure === null ? median(times) : null,
  error: 0,
  failure,
})

const ROOT = join(__dirname, '..', '..')

/** What programs take of the compiled library: `const { names } = require('../dist/file')`. */
const taken = readdirSync(join(ROOT, 'bench'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.js'))
  .flatMap((file) => {
    const text = readFileSync(join(ROOT, 'bench', file), 'utf8')
    return [...text.matchAll(/\{([^{}]*)\} = require\('[./]*\/dist\/?([^']*)'\)/g)].map(
      ([, names, path]) => ({ file, path: path || 'index', names: (names as string).match(/\w+/g) ?? [] }),
    )
  })

describe('benchmarks', () => {
  it.each(taken)('$file finds $names in $path', ({ path, names }) => {
    const text = readFileSync(join(ROOT, 'lib', `${path}.ts`), 'utf8')
    const missing = (names as string[]).filter((name) => !new RegExp(`\\b${name}\\b`).test(text))
    expect(missing).toEqual([])
  })
})

describe('statistics of benchmarks', () => {
  it('take the middle, or the mean of the two in the middle', () => {
    expect(median([3, 1, 2])).toBe(2)
    expect(median([4, 1, 3, 2])).toBe(2.5)
    expect(spread([412, 398, 455])).toBe('412 (398–455)')
  })

  it('measure disagreement against the largest value', () => {
    expect(apart([1, 2, 3.5], [1, 2, 4])).toBeCloseTo(0.125)
    expect(apart([1, Number.NaN], [1, 2])).toBeNaN()
    expect(() => apart([1], [1, 2])).toThrow('Expected 2 values but received 1')
  })
})

describe('readOptions()', () => {
  it('measures everything by default', () => {
    expect(readOptions([])).toMatchObject({ stages: STAGES, peers: PEERS, rounds: 3, dtype: 'float32' })
  })

  it('keeps the order of the tables and never leaves eager out', () => {
    const { stages, peers } = readOptions(['--stage', 'vqgan,prior', '--peers', 'openvino'])
    expect(stages).toEqual(['prior', 'vqgan'])
    expect(peers).toEqual(['eager', 'openvino'])
  })

  it.each([
    [
      ['--stage', 'priors'],
      "Expected --stage to name some of prior, decoder, vqgan, shapes, overheads but received 'priors'",
    ],
    [['--rounds', '0'], "Expected --rounds to be a whole number from 1 but received '0'"],
    [['--threads', '1.5'], "Expected --threads to be a whole number from 1 but received '1.5'"],
    [['--dtype', 'int4'], "Expected --dtype to be one of float32, bfloat16 but received 'int4'"],
  ])('refuses %j', (args, message) => {
    expect(() => readOptions(args)).toThrow(message)
  })
})

describe('the tables', () => {
  it('give the share of the yardstick that a step reaches', () => {
    expect(share(150e9, 1000, 150)).toBeCloseTo(1)
    expect(share(150e9, 2000, 150)).toBeCloseTo(0.5)
  })

  it('take the quickest that is not ours, our graph in plain TorchScript included', () => {
    const all = [
      measured('eager', [3000]),
      measured('openvino', [2000]),
      measured('onnxruntime', [], 'no such file'),
      measured('torchscript', [1500]),
      measured('wuerstchen', [1000]),
    ]
    expect(bestPeer(all)?.name).toBe('openvino')
    expect(bestPeer([measured('eager', [], 'failed')])).toBeNull()
  })

  it('say who failed, and why', () => {
    const contenders = [
      measured('eager', [2000]),
      measured('openvino', [], 'no file\nsecond line'),
      measured('wuerstchen', [1000]),
    ]
    const text = stageTable({ title: 'Stage C', contenders, flops: { total: 150e9 } }, { packed: 150 })
    expect(text).toContain('| diffusers, eager | 2000 (2000–2000) | 2.00x | 50% | 0.0e+0 |')
    expect(text).toContain('| OpenVINO | failed: no file | - | - | - |')
    expect(text).toContain('| **wuerstchen** | 1000 (1000–1000) | - | 100% | 0.0e+0 |')
  })
})

describe('lineChart()', () => {
  const chart = {
    title: 'Seconds & "more"',
    ticks: [512, 1024],
    xLabel: 'pixels',
    yLabel: 's',
    lines: [
      {
        name: 'a<b',
        points: [
          [512, 10],
          [1024, 41],
        ] as const,
      },
      {
        name: 'other',
        points: [
          [512, 12],
          [1024, 42],
        ] as const,
      },
    ],
  }

  it('draws every point, escapes what it is given and serves dark pages', () => {
    const svg = lineChart(chart)
    expect(svg.match(/<circle/g)).toHaveLength(4)
    expect(svg).toContain('a&lt;b')
    expect(svg).toContain('Seconds &amp; &quot;more&quot;')
    expect(svg).toContain('prefers-color-scheme:dark')
    expect(svg).not.toContain('NaN')
  })

  it('moves names apart that would overlap', () => {
    const heights = Array.from(lineChart(chart).matchAll(/class="name" x="[\d.]+" y="([\d.]+)"/g), ([, y]) =>
      Number(y),
    )
    expect(Math.abs((heights[0] as number) - (heights[1] as number))).toBeGreaterThanOrEqual(16.9)
  })

  it('chooses round steps', () => {
    expect(tickStep(41)).toBe(10)
    expect(tickStep(5000)).toBe(1000)
    expect(tickStep(0.7)).toBeCloseTo(0.2)
  })

  it('refuses what it could not show', () => {
    expect(() => lineChart({ ...chart, lines: [] })).toThrow('Expected 1 to 3 lines')
    expect(() => lineChart({ ...chart, lines: [{ name: 'a', points: [[512, 0]] }] })).toThrow('above 0')
  })
})

describe('the regression check', () => {
  it('reads what callgrind counted', () => {
    expect(collectedOf('==1== Events    : Ir\n==1== Collected : 174024437\n')).toBe(174024437)
    expect(() => collectedOf('==1== Collected : 0\n')).toThrow('to have counted something')
  })

  it('fails on what grew beyond the tolerance, and on what cannot be compared', () => {
    const lines = compare({ a: 102, b: 104, new: 1 }, { a: 100, b: 100, gone: 1 }, 0.03)
    expect(lines.filter(({ worse }) => worse).map(({ name }) => name)).toEqual(['b', 'gone', 'new'])
    expect(compare({ a: 50 }, { a: 100 }, 0.03)[0]?.text).toBe('a: 50 was 100, -50.0%: ok')
    expect(() => compare({}, {}, 0.03)).toThrow('Expected numbers to compare')
  })

  it('knows processors by their widest vectors', () => {
    const info = 'vendor_id\t: AuthenticAMD\nflags\t\t: fpu avx avx2\n'
    expect(kindOf(readProcessor(info))).toBe('AuthenticAMD avx2')
    expect(kindOf(readProcessor(info.replace('avx2', 'avx2 avx512f avx512_bf16')))).toBe(
      'AuthenticAMD avx512_bf16',
    )
    expect(kindOf(readProcessor(''))).toBe('unknown without vectors')
  })
})

describe('what others took of the machine', () => {
  it('is read from the counters of the system and of a process', () => {
    expect(busyTicks('cpu  100 20 30 9999 8888 1 2 7 0 0\ncpu0 1 1\n')).toBe(160)
    const stat = '42 (a (strange) name) S 1 42 42 0 -1 4194560 1 2 3 4 250 50 0 0 20 0 3 0 100'
    expect(ticksOf(stat)).toBe(300)
  })
})

describe('tables in the manual', () => {
  const page = 'a\n<!-- speed table: npm run bench -- --docs -->\nold\n<!-- end of the speed table -->\nb\n'

  it('are replaced between their marks, and nothing else is', () => {
    expect(withTable(page, 'speed', 'new\n')).toBe(page.replace('old', 'new'))
  })

  it.each([
    ['no mark', 'a\n'],
    ['no end', page.replace('<!-- end of the speed table -->', '')],
    ['marks in the wrong order', '<!-- end of the speed table -->\n<!-- speed table: x -->\n'],
    ['a mark twice', page + page],
  ])('are refused with %s', (_, text) => {
    expect(() => withTable(text, 'speed', 'new')).toThrow("Expected one '<!-- speed table: ")
  })

  it('name the command that wrote them', () => {
    expect(commandOf(['node', '/x/bench/speed.js', '--docs'])).toBe('npm run bench')
    expect(commandOf(['node', '/x/bench/crowd.js', '--kinds', 'mixed', '--docs'])).toBe(
      'npm run bench:crowd -- --kinds mixed',
    )
  })

  it('belong to the section of the instructions that computed them', () => {
    const zen4 = { flags: ['avx2', 'avx512f', 'avx512_bf16'] }
    expect(sectionOf(zen4, 'float32')).toBe('AVX-512')
    expect(sectionOf(zen4, 'bfloat16')).toBe('bfloat16')
    expect(sectionOf({ flags: ['avx2'] }, 'float32')).toBe('AVX2')
    expect(() => sectionOf({ flags: ['avx2'] }, 'bfloat16')).toThrow('avx512_bf16')
  })
})
