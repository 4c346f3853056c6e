/** The API reference (`npm run docs`) refuses to be built where it mentions a type that has no page. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../bench/support/reference'
import { hiddenTypes } from '../support/public-types'

const { intentionallyNotExported } = JSON.parse(readFileSync(join(ROOT, 'site', 'typedoc.json'), 'utf8')) as {
  intentionallyNotExported: string[]
}

/** Shown as the words that they stand for. */
const WORDS = ['CpuKind', 'GivenAsEmbeddings']

describe('the API reference', () => {
  it('has a page for every type that it mentions', () => {
    const hidden = hiddenTypes('lib/index.ts')
    const meant = [...intentionallyNotExported, ...WORDS]
    const isMeant = (where: string) => meant.some((name) => where.endsWith(` ${name}`))
    expect(hidden.filter(isMeant)).not.toEqual([]) // or nothing is looked at
    expect(hidden.filter((where) => !isMeant(where))).toEqual([])
  })
})
