/** What callers say about LoRAs. */

import { basename, extname } from 'node:path'
import { checkNames } from '../checks/names'
import * as check from '../checks/values'
import { checkPath } from '../embeddings/safetensors'
import { expected } from '../errors'

export interface LoraOptions {
  /** How to call it. Defaults to the file's name without its extension. */
  readonly name?: string | undefined
  /** What its changes are multiplied by, -100 to 100; 0 is off. Defaults to 1. */
  readonly scale?: number | undefined
}

/** A LoRA at work. */
export interface LoraInfo {
  readonly name: string
  readonly scale: number
}

const SCALE = { min: -100, max: 100 }
const LONGEST_NAME = 200

export function readLoraOptions(path: string, options: LoraOptions): LoraInfo {
  checkPath(path)
  checkNames(options, ['name', 'scale'])
  const { name = basename(path, extname(path)), scale = 1 } = options
  if (name === '') throw expected('name', 'a name', name)
  return { name: check.text('name', name, LONGEST_NAME), scale: check.number('scale', scale, SCALE) }
}

export function readLoraScales(scales: Readonly<Record<string, number>>): ReadonlyMap<string, number> {
  if (typeof scales !== 'object' || scales === null)
    throw expected('scales', 'an object of scales by name', scales)
  return new Map(
    Object.entries(scales).map(([name, scale]) => [name, check.number(`scales.${name}`, scale, SCALE)]),
  )
}
