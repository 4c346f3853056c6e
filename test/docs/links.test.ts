import { existsSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { ROOT } from '../../bench/support/reference'
import { anchors, links, type Page, pages } from '../support/markdown'

const all = pages()
const inside = all.flatMap((page) =>
  links(page)
    .filter((target) => !/^[a-z]+:/i.test(target))
    .map((target) => ({ page, target })),
)

describe('links of the manual', () => {
  it('are found at all', () => {
    expect(all.length).toBeGreaterThan(8)
    expect(inside.length).toBeGreaterThan(30)
  })

  it('lead to files that are there', () => {
    const lost = inside.filter(({ page, target }) => !existsSync(join(ROOT, fileOf(page, target))))
    expect(lost.map(shown)).toEqual([])
  })

  it('lead to headings that are there', () => {
    const lost = inside.filter(({ page, target }) => {
      const [, heading] = target.split('#')
      const there = all.find(({ file }) => file === fileOf(page, target))
      return heading !== undefined && there !== undefined && !anchors(there).includes(heading)
    })
    expect(lost.map(shown)).toEqual([])
  })
})

function fileOf({ file }: Page, target: string): string {
  const [path = ''] = target.split('#')
  return path === '' ? file : posix.normalize(posix.join(dirname(file), decodeURIComponent(path)))
}

function shown({ page, target }: (typeof inside)[number]): string {
  return `${page.file} -> ${target}`
}
