/** The API reference (`npm run docs`) refuses to be built where it mentions a type that has no page. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../bench/support/reference'
import { hiddenTypes } from '../support/public-types'

const { entryPoints, intentionallyNotExported } = JSON.parse(
  readFileSync(join(ROOT, 'site', 'typedoc.json'), 'utf8'),
) as { entryPoints: string[]; intentionallyNotExported: string[] }

const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  exports: Record<string, { types?: string }>
}

/** Shown as the words that they stand for. */
const WORDS = ['CpuKind', 'GivenAsEmbeddings']

const doors = entryPoints.map((path) => path.replace('../', ''))

describe('the API reference', () => {
  it('has all that a program may import', () => {
    const types = Object.values(exports).flatMap(({ types }) => types ?? [])
    expect(types.length).toBeGreaterThan(1)
    expect(types.map((path) => path.replace('./dist/', 'lib/').replace('.d.ts', '.ts'))).toEqual(doors)
  })

  it('has a page for every type that it mentions', () => {
    const hidden = doors.flatMap((door) => hiddenTypes(door, doors))
    const meant = [...intentionallyNotExported, ...WORDS]
    const isMeant = (where: string) => meant.some((name) => where.endsWith(` ${name}`))
    expect(hidden.filter(isMeant)).not.toEqual([]) // or nothing is looked at
    expect(hidden.filter((where) => !isMeant(where))).toEqual([])
  })
})
