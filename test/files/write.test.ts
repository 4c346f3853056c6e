/** Files that appear whole, and what is left of those that did not. */
import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sweepDrafts } from '../../lib/files/sweep'
import { placeAtomically, writeFileAtomically } from '../../lib/files/write'
import { folderOf, removeFolders } from '../support/temporary-folder'

afterEach(removeFolders)

describe('writeFileAtomically()', () => {
  it('is one of the texts when a hundred write at once, and leaves nothing beside it', async () => {
    const path = join(folderOf({}), 'file')
    const texts = Array.from({ length: 100 }, (_, index) => `${index}`.repeat(10_000))
    await Promise.all(texts.map((text) => writeFileAtomically(path, text)))
    expect(texts).toContain(readFileSync(path, 'utf8'))
    expect(readdirSync(join(path, '..'))).toEqual(['file'])
  })

  it('takes the longest names that the system takes', async () => {
    const path = join(folderOf({}), '漢'.repeat(85))
    await writeFileAtomically(path, 'x')
    expect(readFileSync(path, 'utf8')).toBe('x')
  })
})

describe('placeAtomically()', () => {
  it('leaves what was there when the draft cannot be made', async () => {
    const folder = folderOf({ file: 'old' })
    const make = async (draft: string) => {
      writeFileSync(draft, 'half')
      throw new Error('no')
    }
    await expect(placeAtomically(join(folder, 'file'), make)).rejects.toThrow('no')
    expect(readdirSync(folder)).toEqual(['file'])
    expect(readFileSync(join(folder, 'file'), 'utf8')).toBe('old')
  })
})

describe('sweepDrafts()', () => {
  it('removes drafts of any depth that were left alone long enough, and nothing else', async () => {
    const folder = folderOf({ file: '', 'a.partial': '', 'refs/pr/main.123.partial': '' })
    let draft = ''
    const die = async (path: string) => {
      draft = path
      writeFileSync(path, 'half')
      throw new Error('killed')
    }
    await placeAtomically(join(folder, 'x'), die).catch(() => undefined)
    writeFileSync(draft, 'half')
    mkdirSync(join(folder, '.wuerstchen-00000000-0000-0000-0000-000000000000.tmp'))
    await sweepDrafts(folder, { olderThanMs: 60_000 })
    expect(existsSync(draft)).toBe(true)
    const old = new Date(Date.now() - 61_000)
    utimesSync(draft, old, old)
    await sweepDrafts(folder, { olderThanMs: 60_000 })
    expect(existsSync(draft)).toBe(false)
    await sweepDrafts(folder, { olderThanMs: 0 })
    expect(readdirSync(join(folder, 'refs', 'pr'))).toEqual([])
    expect(readdirSync(folder)).toHaveLength(4)
  })

  it('has nothing to do where there is no folder', async () => {
    await sweepDrafts(join(folderOf({}), 'nothing'), { olderThanMs: 0 })
  })
})
