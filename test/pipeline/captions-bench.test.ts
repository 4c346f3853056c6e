/** `npm run bench:captions -- --count 4 --steps …`: the table that the documentation quotes, at a small size. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { ROOT } from '../../bench/support/reference'
import { describeBundled } from '../support/models'
import { ensureDist } from '../support/node-process'

const COUNT = 4
const ROW = /^\| (.+) \| (\d+) of (\d+) \| (\d+) of (\d+) \| \d+ \/ \d+ \|$/gm

function bench(...options: readonly string[]) {
  const program = join(ROOT, 'bench', 'captions.js')
  return spawnSync(process.execPath, [program, ...options], { cwd: ROOT, encoding: 'utf8', timeout: 120_000 })
}

/** The rows of the table below its header. */
function rowsOf(stdout: string) {
  return [...stdout.matchAll(ROW)].map(([row, steps, one, count, two, countOfTwo]) => {
    expect([row, Number(count), Number(countOfTwo)]).toEqual([row, COUNT, COUNT])
    return { steps, right: Number(one) + Number(two) }
  })
}

describeBundled('bench:captions', () => {
  beforeAll(() => void ensureDist())

  it('prints one row for each schedule of --steps, and the steps are those that were drawn', () => {
    const { status, stdout, stderr } = bench('--count', `${COUNT}`, '--steps', '1+1,8+4')
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toContain(
      '| steps | one object, all right | two objects, all right | seconds for one / two |',
    )
    const rows = rowsOf(stdout)
    expect(rows.map(({ steps }) => steps)).toEqual(['1 + 1', '8 + 4'])
    // One step of each stage draws little that the judge recognises; the model's own steps draw almost all.
    const [few, enough] = rows.map(({ right }) => right) as [number, number]
    expect(enough).toBeGreaterThan(COUNT)
    expect(few).toBeLessThan(enough)
  })

  it("takes the model's own steps by default, and lists attributes with --details", () => {
    const { status, stdout } = bench('--count', `${COUNT}`, '--details')
    expect(status).toBe(0)
    expect(rowsOf(stdout).map(({ steps }) => steps)).toEqual(["the model's own"])
    expect(stdout).toMatch(/the model's own, one object:\n(.*\n)+.*all right: \d of 4/)
  })

  it.each([
    [['--steps', '29'], 'Expected --steps to be a list such as 29+12,8+4 but received 29'],
    [['--steps', '8+4,'], 'Expected --steps to be a list such as 29+12,8+4 but received '],
    [['--count', '0'], 'Expected --count to be an integer of at least 1 but received 0'],
  ])('refuses %j', (options, message) => {
    const { status, stdout, stderr } = bench(...options)
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toContain(message)
  })
})
