/** Folders that are made, were there, or cannot be. */
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeFolder } from '../../lib/files/folder'
import { runCli } from '../support/node-process'
import { folderOf, removeFolders } from '../support/temporary-folder'

afterEach(removeFolders)

describe('makeFolder()', () => {
  it('makes those above, for two at once, and leaves what is there', async () => {
    const folder = join(folderOf({}), 'a', 'b', 'c')
    await Promise.all([makeFolder(folder), makeFolder(folder)])
    await makeFolder(folder)
    expect(existsSync(folder)).toBe(true)
  })

  it('tells of a file that is in the way', async () => {
    const file = join(folderOf({}), 'file')
    writeFileSync(file, '')
    await expect(makeFolder(file)).rejects.toMatchObject({ code: 'EEXIST' })
    await expect(makeFolder(join(file, 'a', 'b'))).rejects.toMatchObject({
      code: 'ENOTDIR',
      message: `${file} is a file and no folder`,
    })
  })

  const onLinux = process.platform === 'linux' ? it : it.skip
  onLinux('ends where the system makes no folders (SKIPPED elsewhere: it is /proc)', async () => {
    await expect(makeFolder('/proc/wuerstchen/a')).rejects.toMatchObject({ code: 'ENOENT' })
  })

  onLinux('is what commands use (SKIPPED elsewhere: it is /proc)', () => {
    for (const args of [
      ['pull', 'tests/small', '--cache-dir', '/proc/wuerstchen'],
      ['generate', 'a cat', '-o', '/proc/wuerstchen/cat.png'],
    ]) {
      const { status, stderr } = runCli(args, { HF_ENDPOINT: 'http://127.0.0.1:9' })
      expect(status).toBe(1)
      expect(stderr).toContain('/proc')
    }
  })
})
