/** Which exported graph fits a network's config. */

import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { ModelError, show } from '../errors'
import { readRegular } from '../files/open'
import type { Config, NetworkClass } from './component'
import { type CompiledEntry, type GraphEntry, invalidGraph, type Manifest, readManifests } from './manifest'

export type { CompiledEntry, GraphEntry, GraphMethod, GraphParameter, Port } from './manifest'

export interface Graph {
  /** Absolute path of the TorchScript file; its checksum was verified. */
  readonly path: string
  readonly entry: GraphEntry
  /** Its methods in machine code, with their absolute paths. Not checked yet. */
  readonly compiled: readonly { readonly path: string; readonly entry: CompiledEntry }[]
  /** libtorch version that it was exported with. */
  readonly torch: string
}

/** What there is to choose from. */
export interface Graphs {
  readonly folders: readonly string[]
  readonly manifests: readonly Manifest[]
}

/** Reads folders that hold a manifest.json each, or folders of such folders: once for all networks of a model. */
export async function readGraphs(folders: readonly string[]): Promise<Graphs> {
  return { folders, manifests: await readManifests(folders) }
}

/** The graph for a network's config. The first that fits is taken. */
export async function findGraph(
  { folders, manifests }: Graphs,
  networkClass: NetworkClass,
  config: Config,
): Promise<Graph> {
  const candidates = manifests.flatMap((manifest) =>
    manifest.graphs
      .filter((entry) => entry.class === networkClass)
      .map((entry) => ({ manifest, entry, differences: differencesOf(entry, config) })),
  )
  const fitting = candidates.find(({ differences }) => differences.length === 0)
  if (!fitting) throw notFound(folders, networkClass, candidates)
  return open(fitting.manifest, fitting.entry)
}

interface Candidate {
  readonly manifest: Manifest
  readonly entry: GraphEntry
  readonly differences: readonly string[]
}

function differencesOf({ config: wanted, defaults }: GraphEntry, config: Config): readonly string[] {
  return Object.keys(wanted).flatMap((field) => {
    const stated = config[field] ?? defaults[field]
    return isDeepStrictEqual(stated, wanted[field])
      ? []
      : [`${field} is ${show(stated)} where the graph has ${show(wanted[field])}`]
  })
}

function notFound(
  folders: readonly string[],
  networkClass: NetworkClass,
  candidates: readonly Candidate[],
): ModelError {
  const [nearest] = [...candidates].sort((a, b) => a.differences.length - b.differences.length)
  const closest = nearest
    ? `The nearest is ${nearest.manifest.name}/${nearest.entry.file}, but ${nearest.differences.join('; ')}.`
    : `There is none of this class in ${folders.join(', ') || 'no folder at all'}.`
  return new ModelError(
    'GRAPH_NOT_FOUND',
    `No exported graph fits the config of ${networkClass}. ${closest} ` +
      'Run `npx wuerstchen export FOLDER` once for this model. Then name the folder that it writes with the option graphs.',
    { details: { class: networkClass, folders, differences: nearest?.differences ?? [] } },
  )
}

/** A graph is code: one that is not the file the manifest describes is refused. */
async function open({ folder, torch }: Manifest, entry: GraphEntry): Promise<Graph> {
  const path = join(folder, entry.file)
  const data = await readRegular(path).catch((cause) => {
    throw invalidGraph(path, `Expected a graph that can be read but ${cause.message}`)
  })
  const found = sha256(data)
  if (found !== entry.sha256) {
    throw invalidGraph(path, `Expected the SHA-256 ${entry.sha256} of its manifest but it is ${found}`)
  }
  const compiled = (entry.compiled ?? []).map((one) => ({ path: join(folder, one.file), entry: one }))
  return { path, entry, compiled, torch }
}

export function sha256(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}
