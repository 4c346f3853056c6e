/** Results in the manual are written by programs: which table by which, and which were taken by hand. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../bench/support/reference'
import { type Page, pages } from '../support/markdown'

const MARKED =
  /<!-- (?<name>[^\n]+) table: (?<command>[^\n]+) -->\n(?<text>.*?)<!-- end of the \k<name> table -->\n/gs
const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>
}

const tables = pages().flatMap((page) =>
  Array.from(page.text.matchAll(MARKED), ({ groups = {} }) => ({
    page: page.file,
    name: groups.name as string,
    command: groups.command as string,
    text: groups.text as string,
  })),
)

describe('results in the manual', () => {
  it('are found at all', () => expect(tables.length).toBeGreaterThan(25))

  it('stand under a name of their own', () => {
    const names = tables.map(({ page, name }) => `${page} ${name}`)
    expect(names).toEqual([...new Set(names)])
  })

  it.each(tables)('$name has a program that writes it', ({ name, command }) => {
    const [, script = ''] = /^npm run ([\w:-]+)/.exec(command) ?? []
    const [, file = ''] = /node (bench\/\S+\.js)$/.exec(scripts[script] ?? '') ?? []
    expect(existsSync(join(ROOT, file)) && file !== '').toBe(true)
    const written = name.split(' ').at(-1) as string // after the machine, for a step's speed
    expect(readFileSync(join(ROOT, file), 'utf8')).toMatch(
      new RegExp(`'(?:[\\w -]* )?${written}'|\\b${written}: \\{`),
    )
  })

  /** Measured before its program wrote the day. */
  const UNDATED = ['memory']

  it.each(tables)('$name says its day and machine', ({ name, text }) => {
    const day = UNDATED.includes(name) ? '(?:\\d{4}-\\d\\d-\\d\\d, )?' : '\\d{4}-\\d\\d-\\d\\d, '
    expect(text).toMatch(new RegExp(`^${day}[^\\n]+, \\d+ cores`))
  })

  it('are all written by programs, but for those that say "by hand"', () => {
    const [page] = pages().filter(({ file }) => file === 'docs/benchmarks.md') as [Page]
    const rest = page.text.replaceAll(MARKED, '')
    const sections = rest.split(/^(?=\| .*\n\|---)/m)
    const unmarked = sections
      .slice(1)
      .map((text, index) => `${sections[index]?.split('\n\n').at(-2)}\n${text}`)
    expect(unmarked.length).toBeGreaterThan(0)
    expect(unmarked.filter((text) => !/by hand/i.test(text))).toEqual([])
  })
})
