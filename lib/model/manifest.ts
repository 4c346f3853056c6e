/** manifest.json: what a folder of graphs holds. The only contract between the export in Python and this side. */

import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { ModelError, show } from '../errors'
import { absolute } from '../files/absolute'
import { isObject, type JsonObject, readJson } from '../files/json'
import { isThere } from '../files/probe'
import type { BlockFacts } from '../native/types'
import type { Config, NetworkClass } from './component'

/** An input or output of a graph's method: axes are numbers, or names of what may vary. */
export interface Port {
  readonly name: string
  readonly dtype: 'float32' | 'int64' | 'int' | 'model'
  readonly shape: readonly (number | string)[]
  /** A list of such tensors. */
  readonly many: boolean
}

export interface GraphMethod {
  readonly inputs: readonly Port[]
  readonly outputs: readonly Port[]
}

export interface GraphParameter {
  readonly name: string
  readonly shape: readonly number[]
}

/** A method of a graph in machine code, made by `wuerstchen export --compile`. */
export interface CompiledEntry {
  readonly method: string
  readonly file: string
  readonly sha256: string
  readonly device: 'cpu' | 'cuda'
  readonly dtype: 'float32' | 'bfloat16' | 'float16'
  /** What its code needs: instructions of a CPU as libtorch names them, or a GPU's architecture. */
  readonly capability: string
  /** Version that made it, and that runs it. */
  readonly torch: string
}

/** One entry of a manifest.json. */
export interface GraphEntry {
  readonly component: string
  readonly class: NetworkClass
  /** The fields that decide the graph. */
  readonly config: Config
  /** What the class assumes for a field that a hub config leaves out. */
  readonly defaults: Config
  readonly file: string
  readonly sha256: string
  readonly methods: Readonly<Record<string, GraphMethod>>
  readonly parameters: readonly GraphParameter[]
  /** Tensors that files of the class may hold beside the parameters. */
  readonly ignored: readonly string[]
  readonly blocks?: BlockFacts | undefined
  readonly compiled?: readonly CompiledEntry[] | undefined
}

export interface Manifest {
  /** Absolute path of the folder. */
  readonly folder: string
  readonly name: string
  /** libtorch version that the graphs were exported with. */
  readonly torch: string
  readonly graphs: readonly GraphEntry[]
}

const FORMAT = 1
const MANIFEST = 'manifest.json'

/** The manifests of these folders, or of the folders in them where they hold none themselves; in their order. */
export async function readManifests(folders: readonly string[]): Promise<readonly Manifest[]> {
  const found = await Promise.all(folders.map((folder) => manifestFolders(absolute(folder))))
  return Promise.all(found.flat().map(readManifest))
}

async function manifestFolders(folder: string): Promise<readonly string[]> {
  if (isThere(join(folder, MANIFEST))) return [folder]
  const names = await readdir(folder).catch(() => [])
  return names
    .sort()
    .map((name) => join(folder, name))
    .filter((inner) => isThere(join(inner, MANIFEST)))
}

async function readManifest(folder: string): Promise<Manifest> {
  const file = join(folder, MANIFEST)
  const { format, name, torch, graphs } = await readJson(file)
  if (format !== FORMAT) throw invalidGraph(file, `Expected format ${FORMAT} but found ${show(format)}`)
  if (typeof name !== 'string' || typeof torch !== 'string' || !Array.isArray(graphs)) {
    throw invalidGraph(file, 'Expected name, torch and a list of graphs')
  }
  return { folder, name, torch, graphs: graphs.map((entry, i) => checkEntry(entry, `graphs[${i}]`, file)) }
}

export function invalidGraph(file: string, what: string): ModelError {
  return new ModelError('GRAPH_INVALID', `${file}: ${what}`, { details: { file } })
}

const CHECKS: Readonly<Record<keyof GraphEntry, (value: unknown) => boolean>> = {
  component: isText,
  class: isText,
  config: isObject,
  defaults: isObject,
  file: (value) => isText(value) && /^[\w.-]+\.pt$/.test(value as string), // beside the manifest
  sha256: (value) => isText(value) && /^[0-9a-f]{64}$/.test(value as string),
  methods: (value) => isObject(value) && Object.values(value).every(isMethod),
  parameters: (value) => Array.isArray(value) && value.every(isParameter),
  ignored: (value) => Array.isArray(value) && value.every(isText),
  blocks: (value) => value === undefined || isBlockFacts(value),
  compiled: (value) => value === undefined || (Array.isArray(value) && value.every(isCompiled)),
}

function checkEntry(entry: unknown, where: string, file: string): GraphEntry {
  if (!isObject(entry)) throw invalidGraph(file, `Expected ${where} to be an object but found ${show(entry)}`)
  const wrong = Object.entries(CHECKS).find(([field, check]) => !check(entry[field]))
  if (wrong)
    throw invalidGraph(file, `Expected a valid ${where}.${wrong[0]} but found ${show(entry[wrong[0]])}`)
  return entry as unknown as GraphEntry
}

function isCompiled(value: unknown): boolean {
  if (!isObject(value)) return false
  const { file, sha256, device, dtype, ...rest } = value
  const places = isText(file) && /^[\w.-]+\.pt2$/.test(file as string) && isText(sha256)
  const kinds = /^(cpu|cuda)$/.test(String(device)) && /^(float32|bfloat16|float16)$/.test(String(dtype))
  return places && kinds && [rest.method, rest.capability, rest.torch].every(isText)
}

function isBlockFacts(value: unknown): boolean {
  if (!isObject(value)) return false
  const { beforeText, mappers } = value
  const isPath = (path: unknown) => isText(path) && /^\w+(\.\w+)*$/.test(path as string)
  const listed = Array.isArray(beforeText) && beforeText.every(isPath)
  return listed && isObject(mappers) && Object.entries(mappers).flat().every(isPath)
}

function isText(value: unknown): boolean {
  return typeof value === 'string'
}

function isMethod(value: unknown): boolean {
  return (
    isObject(value) &&
    [value.inputs, value.outputs].every((ports) => Array.isArray(ports) && ports.every(isPort))
  )
}

function isPort(value: unknown): boolean {
  return isObject(value) && isText(value.name) && isText(value.dtype) && Array.isArray(value.shape)
}

function isParameter(value: unknown): boolean {
  return isObject(value) && isText(value.name) && isShape((value as JsonObject).shape)
}

function isShape(value: unknown): boolean {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && (size as number) >= 0)
}
