/** Where pictures go whose names are links, devices or FIFOs. */
import { spawn } from 'node:child_process'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { join } from 'node:path'
import { prepareFile, saveFile } from '../../lib/files/save'
import { placeAtomically } from '../../lib/files/write'
import { folderOf, removeFolders } from '../support/temporary-folder'

afterEach(removeFolders)

const NEW = Buffer.from('new')
const code = 'ERR_WUERSTCHEN_FILE_NOT_WRITTEN'
const save = async (path: string) => {
  await prepareFile(path)
  await saveFile(path, NEW)
}
const textOf = (path: string) => readFileSync(path, 'utf8')

describe('saveFile()', () => {
  it('writes what a link leads to, through other links and folders, and keeps the links', async () => {
    const folder = folderOf({ 'real/a.png': 'old', 'links/x': '' })
    symlinkSync('../real/a.png', join(folder, 'links', 'first.png'))
    symlinkSync('links/first.png', join(folder, 'second.png'))
    symlinkSync('links', join(folder, 'to-links'))
    for (const name of ['second.png', 'to-links/first.png']) {
      await save(join(folder, name))
      expect(lstatSync(join(folder, name)).isSymbolicLink()).toBe(true)
      expect(textOf(join(folder, 'real', 'a.png'))).toBe('new')
    }
    expect(readlinkSync(join(folder, 'second.png'))).toBe('links/first.png')
    expect(readdirSync(join(folder, 'real'))).toEqual(['a.png'])
  })

  it('makes the file that a link leads to, where its folder is there', async () => {
    const folder = folderOf({ 'real/x': '', 'links/x': '' })
    symlinkSync('../real/new.png', join(folder, 'links', 'a.png'))
    symlinkSync('links', join(folder, 'to-links'))
    await save(join(folder, 'to-links', 'a.png'))
    expect(textOf(join(folder, 'real', 'new.png'))).toBe('new')
    expect(lstatSync(join(folder, 'links', 'a.png')).isSymbolicLink()).toBe(true)
  })

  it('refuses a link into no folder, and one to itself, before the work and after', async () => {
    const folder = folderOf({})
    const [lost, loop] = [join(folder, 'lost.png'), join(folder, 'loop.png')]
    symlinkSync('/nowhere/at/all.png', lost)
    symlinkSync('loop.png', loop)
    for (const path of [lost, loop])
      for (const work of [prepareFile, (path: string) => saveFile(path, NEW)])
        await expect(work(path)).rejects.toMatchObject({
          code,
          message: expect.stringContaining('is a link to'),
        })
    expect(readdirSync(folder).sort()).toEqual(['loop.png', 'lost.png'])
    expect(existsSync('/nowhere')).toBe(false)
  })

  it('writes into a FIFO', async () => {
    const path = join(folderOf({}), 'fifo.png')
    await new Promise((resolve) => spawn('mkfifo', [path]).once('close', resolve))
    const reader = spawn('cat', [path])
    const read = reader.stdout.toArray()
    await save(path)
    expect(Buffer.concat(await read).toString()).toBe('new')
    expect(statSync(path).isFIFO()).toBe(true)
  })

  const onLinux = process.platform === 'linux' ? it : it.skip
  onLinux('writes into a device, and says why it cannot (Linux)', async () => {
    const folder = folderOf({})
    symlinkSync('/dev/null', join(folder, 'null.png'))
    symlinkSync('/dev/full', join(folder, 'full.png'))
    await save(join(folder, 'null.png'))
    const message = expect.stringMatching(/full\.png but ENOSPC/)
    await expect(save(join(folder, 'full.png'))).rejects.toMatchObject({ code, message })
    expect(statSync('/dev/full').isCharacterDevice()).toBe(true)
    expect(statSync('/dev/null').isCharacterDevice()).toBe(true)
  })
})

describe('messages', () => {
  it('name the file that was asked for, and no draft', async () => {
    const folder = folderOf({})
    mkdirSync(join(folder, 'folder.png'))
    for (const path of [join(folder, 'missing', 'a.png'), join(folder, 'folder.png')]) {
      const error = await saveFile(path, NEW).catch((error) => error)
      expect(error).toMatchObject({ code, message: expect.stringContaining(path) })
      for (const text of [error.message, error.cause.message, error.cause.stack, error.cause.path])
        expect(text).not.toContain('.wuerstchen-')
    }
    const make = (draft: string) => Promise.reject(new Error(`no room for ${draft}`))
    await expect(placeAtomically('/a/b', make)).rejects.toThrow(/^no room for \/a\/b$/)
  })
})
