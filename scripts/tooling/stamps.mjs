/** What a stage was last made from. A stamp is written last, so a stage that was cut short has none. */
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { at, STATE } from './places.mjs'

const stampOf = (stage) => join(STATE, `${stage}.stamp`)

export const readStamp = (stage) =>
  existsSync(stampOf(stage)) ? readFileSync(stampOf(stage), 'utf8').trim() : null

export const dropStamp = (stage) => rmSync(stampOf(stage), { force: true })

export function writeStamp(stage, hash) {
  mkdirSync(STATE, { recursive: true })
  writeFileSync(`${stampOf(stage)}.new`, `${hash}\n`)
  renameSync(`${stampOf(stage)}.new`, stampOf(stage))
}

/** One hash of files and folders (relative to the root, in any order) and of facts that are no files. */
export function hashOf(paths, facts = []) {
  const hash = createHash('sha256')
  for (const file of paths.flatMap(filesUnder).sort())
    hash
      .update(`${file}\0`)
      .update(readFileSync(at(file)))
      .update('\0')
  for (const fact of facts) hash.update(`${fact}\0`)
  return hash.digest('hex')
}

function filesUnder(path) {
  if (!existsSync(at(path))) return []
  if (statSync(at(path)).isFile()) return [path]
  return readdirSync(at(path), { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? filesUnder(`${path}/${entry.name}`) : [`${path}/${entry.name}`],
  )
}
