import { cpSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../bench/support/reference'
import { folderOf } from './temporary-folder'

const PARTS = ['.venv', 'build', 'build-cmake', 'graphs', 'models']

/** The package as `npm install --omit=optional` leaves it: all but sharp's binary. What is linked is found by its real path. */
export function withoutSharpsBinary(): string {
  const root = folderOf({})
  for (const name of ['dist', 'package.json']) cpSync(join(ROOT, name), join(root, name), { recursive: true })
  for (const name of PARTS) symlinkSync(join(ROOT, name), join(root, name))
  const [from, to] = [join(ROOT, 'node_modules'), join(root, 'node_modules')]
  mkdirSync(join(to, '@img'), { recursive: true })
  for (const name of readdirSync(from)) {
    if (name === 'sharp') cpSync(join(from, name), join(to, name), { recursive: true })
    else if (name !== '@img') symlinkSync(join(from, name), join(to, name))
  }
  symlinkSync(join(from, '@img', 'colour'), join(to, '@img', 'colour'))
  return root
}
