/** Libraries that are damaged as disks and copies damage them: made of real ones. */
import { copyFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findLibtorch } from '../../lib/libtorch/find'
import { librariesOf, libraryName } from '../../lib/libtorch/libraries'
import { folderOf } from './temporary-folder'

/** Where the libtorch of this checkout lies. */
export function realLibtorch(): string {
  const directory = findLibtorch({ required: '2.13' }).found?.directory
  if (directory === undefined) throw new Error('Expected a libtorch to test with')
  return directory
}

/** A libtorch of copies, without the big one's last bytes if `libtorch_cpu` is to be shorter. */
export function copiedLibtorch(change: (path: string, name: string) => void, version = '2.13.0'): string {
  const folder = folderOf({ 'build-version': `${version}\n`, 'lib/.keep': '' })
  for (const path of librariesOf(realLibtorch())) {
    const name = path.slice(realLibtorch().length + 1)
    copyFileSync(path, join(folder, 'lib', name))
    change(join(folder, 'lib', name), name)
  }
  return folder
}

/** Keeps the first bytes of a library. */
export function cut(name: string, bytes: number) {
  return (path: string, own: string) => {
    if (own === libraryName(name)) truncateSync(path, bytes)
  }
}

/** Replaces bytes of a library by as many others, everywhere. */
export function replace(name: string, from: string, to: string) {
  return (path: string, own: string) => {
    if (own === libraryName(name)) writeFileSync(path, replaced(readFileSync(path), from, to))
  }
}

function replaced(bytes: Buffer, from: string, to: string): Buffer {
  if (from.length !== to.length || !bytes.includes(from)) throw new Error(`Expected ${from} to be replaced`)
  for (let at = bytes.indexOf(from); at >= 0; at = bytes.indexOf(from, at + 1)) bytes.write(to, at)
  return bytes
}

/** Says that a library is for another machine than any of ours: RISC-V. */
export function otherMachine(path: string): void {
  const bytes = readFileSync(path)
  bytes.writeUInt16LE(243, 18)
  writeFileSync(path, bytes)
}
