import fs, { copyFileSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readElf } from '../../lib/libtorch/elf'
import { librariesOf, libraryName } from '../../lib/libtorch/libraries'
import { damageOf, faultAmong } from '../../lib/libtorch/soundness'
import { findLoader } from '../../lib/native/addons'
import { otherMachine, realLibtorch } from '../support/libraries'
import { folderOf, removeFolders } from '../support/temporary-folder'

afterAll(removeFolders)

// Only Linux has ELF files.
const onLinux = process.platform === 'linux' ? describe : describe.skip

onLinux('a library of Linux', () => {
  const copy = () => {
    const path = join(folderOf({}), 'loader.node')
    copyFileSync(findLoader(), path)
    return path
  }

  it('says what it needs', () => {
    const elf = readElf(join(realLibtorch(), libraryName('torch_cpu')))
    expect(elf).toMatchObject({ arch: process.arch })
    expect(elf?.needed).toEqual(expect.arrayContaining([libraryName('c10'), 'libc.so.6']))
    expect(elf?.folders).toContain(realLibtorch())
  })

  it('is sound as it was made, and so is all of libtorch', () => {
    expect(damageOf(findLoader())).toBeNull()
    expect(faultAmong(librariesOf(realLibtorch()))).toBeNull()
  })

  it('is read in few calls, for this happens at every start', () => {
    const file = copy()
    const reads = jest.spyOn(fs, 'readSync')
    try {
      damageOf(file)
      expect(reads).toHaveBeenCalledTimes(1)
      expect(readElf(file)?.needed.length).toBeGreaterThan(1)
      // Its head, its dynamic section, and its names, which lie beside one another.
      expect(reads).toHaveBeenCalledTimes(1 + 3)
    } finally {
      reads.mockRestore()
    }
  })

  it.each([0.999, 0.5, 0.1, 0.01])('that has a part of %d of its bytes is cut short', (part) => {
    const file = copy()
    const received = Math.floor(statSync(file).size * part)
    truncateSync(file, received)
    const fault = damageOf(file)
    expect(fault).toMatchObject({ file, received })
    expect(fault?.expected).toBeGreaterThan(received)
    expect(fault?.reason).toBe(
      `loader.node is cut short: expected at least ${fault?.expected} bytes but it has ${received}`,
    )
  })

  it.each([5, 30, 63])('of %d bytes is cut short, too', (received) => {
    const file = copy()
    truncateSync(file, received)
    expect(damageOf(file)).toMatchObject({ expected: 64, received })
  })

  it('for another machine says so', () => {
    const file = copy()
    otherMachine(file)
    expect(damageOf(file)?.reason).toBe(
      `loader.node is for machine 243 of ELF, but this Node is for ${process.arch}`,
    )
    const bytes = readFileSync(file)
    bytes.writeUInt16LE(process.arch === 'arm64' ? 62 : 183, 18)
    writeFileSync(file, bytes)
    const other = process.arch === 'arm64' ? 'x64' : 'arm64'
    expect(damageOf(file)?.reason).toBe(`loader.node is for ${other}, but this Node is for ${process.arch}`)
  })

  it('that needs what nobody has names it', () => {
    const file = copy()
    const bytes = readFileSync(file)
    bytes.write('libgcc_x', bytes.indexOf('libgcc_s.so.1\0'))
    writeFileSync(file, bytes)
    expect(faultAmong([file])).toEqual({
      file,
      reason: 'loader.node needs libgcc_x.so.1, which this system lacks',
      missing: 'libgcc_x.so.1',
    })
    const beside = join(file, '..', 'libgcc_x.so.1')
    writeFileSync(beside, '')
    expect(faultAmong([file])).toBeNull()
  })
})

describe('a file of another format', () => {
  it.each(['', 'MZ', 'not a library', '\x7fEL'])('passes: %j', (text) => {
    expect(damageOf(join(folderOf({ file: text }), 'file'))).toBeNull()
  })

  it('passes when it is not there, or a folder', () => {
    expect(damageOf('/nonexistent/file')).toBeNull()
    expect(faultAmong([folderOf({})])).toBeNull()
  })
})
