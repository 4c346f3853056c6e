import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { ROOT } from '../../bench/support/reference'

const FOLDER = join(ROOT, 'dist', 'web')
const MOST_BYTES = 60_000

describe('dist/web', () => {
  const files = existsSync(FOLDER)
    ? readdirSync(FOLDER, { recursive: true, encoding: 'utf8' }).filter((name) => /\.\w+$/.test(name))
    : []
  const contents = files.map((name) => readFileSync(join(FOLDER, name)))

  it('is less than 60 kB, gzipped', () => {
    expect(files).toEqual(expect.arrayContaining(['index.html', expect.stringMatching(/\.js$/)]))
    const bytes = contents.reduce((sum, file) => sum + gzipSync(file, { level: 9 }).length, 0)
    expect(bytes).toBeLessThan(MOST_BYTES)
  })

  it('has the licences of what is inside', () => {
    const licences = readFileSync(join(FOLDER, 'licenses.txt'), 'utf8')
    for (const name of ['preact', 'idb', 'eventsource-parser']) expect(licences).toContain(`## ${name} -`)
  })

  it('loads nothing from elsewhere, and has no script or style inside the page', () => {
    const page = readFileSync(join(FOLDER, 'index.html'), 'utf8')
    const addresses = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address]) => address)
    expect(addresses.length).toBeGreaterThan(2)
    expect(addresses.filter((address) => !address?.startsWith('./'))).toEqual([])
    expect(page).not.toMatch(/<style|style=|<script(?![^>]*src=)|\son\w+=/)
  })
})
