/** The licences of what a libtorch package ships. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { at } from '../tooling/places.mjs'
import { LIBTORCH } from './places.mjs'

/** What wheels ship without a licence of their own, and why it is there. */
export const ALONGSIDE = {
  'intel-simplified-software-license': 'Intel oneAPI Math Kernel Library, linked into libtorch_cpu',
  'gpl-3.0-with-gcc-runtime-exception': "libgomp, GCC's OpenMP library (source: https://gcc.gnu.org)",
}

/**
 * Writes `LICENSE` and `licenses/` of a package from the licence files of a wheel: `paths` under `folder`. Many
 * components have the same text, word for word: each text is there once, under the names of all that use it.
 */
export function writeLicenses(target, folder, paths, destination) {
  const own = paths.find((path) => /licenses\/LICENSE$/.test(path))
  if (own === undefined) throw new Error(`Expected torch's LICENSE in the wheel of ${target} but found none`)
  cpSync(join(folder, own), join(destination, 'LICENSE'))
  mkdirSync(join(destination, 'licenses'), { recursive: true })
  writeFileSync(join(destination, 'licenses', 'third-party.txt'), thirdParty(folder, paths))
  for (const name of LIBTORCH.targets[target].licenses) {
    const text = readFileSync(at('packages', 'libtorch', 'licenses', `${name}.txt`), 'utf8')
    writeFileSync(join(destination, 'licenses', `${name}.txt`), `${ALONGSIDE[name]}\n\n${text}`)
  }
}

function thirdParty(folder, paths) {
  const users = new Map()
  for (const path of paths) {
    const component = /third_party\/(.*)\/[^/]*$/.exec(path)?.[1]
    if (component === undefined) continue
    const text = readFileSync(join(folder, path), 'utf8').trim()
    users.set(text, [...(users.get(text) ?? []), component])
  }
  const rule = '='.repeat(100)
  return [...users].map(([text, names]) => `${names.join('\n')}\n${rule}\n${text}\n\n`).join(`${rule}\n`)
}
