/** What loading takes, found before anything native is opened. */
import { findGraph, type Graph, readGraphs } from '../model/graphs'
import type { Component, ModelFiles } from '../model/layout'
import { readHeader, type SafetensorsHeader } from '../model/safetensors'
import { bindWeights, mixWeights } from '../model/weights'
import type { NativeRuntime } from '../native/binding'
import type { WeightBinding } from '../native/types'
import { type CompiledMethod, chooseCompiled, type Running } from './compiled'
import { type ComponentName, componentOf, namesOf, type OfEach, runIn } from './components'
import type { NetworkRun, StageRuns } from './dtypes'

/** What loading one network takes: the graph's file, and where in which files its weights lie. */
export type LoadPlan = OfEach<NetworkPlan>

export interface NetworkPlan {
  readonly graph: Graph
  readonly weights: readonly WeightBinding[]
  /** What is compiled of it, once that was looked at. */
  readonly compiled?: readonly CompiledMethod[]
}

/** The same plan, with what is compiled and whether it is used. */
export async function withCompiled(
  plan: LoadPlan,
  running: Omit<Running, keyof NetworkRun>,
  stages: StageRuns,
  runtime: NativeRuntime,
): Promise<LoadPlan> {
  const planned = Object.entries(plan).map(async ([name, network]) => {
    const own = { ...running, ...runIn(stages, name as ComponentName) }
    return [name, { ...network, compiled: await chooseCompiled(network.graph, own, runtime) }] as const
  })
  return Object.fromEntries(await Promise.all(planned)) as LoadPlan
}

/** A second prior of the same kind, and how far to go towards it: 0 stays, 1 is there. */
interface PriorMix {
  readonly component: Component
  readonly weight: number
}

/** Finds every network's graph and weights. Reads headers only; nothing native is needed for it. */
export async function planLoad(
  files: ModelFiles,
  graphFolders: readonly string[],
  mix: PriorMix | null = null,
): Promise<LoadPlan> {
  const graphs = await readGraphs(graphFolders)
  const planned = namesOf(files).map(async (name) => {
    const component = componentOf(files, name)
    const [graph, weights, other] = await Promise.all([
      findGraph(graphs, component.class, component.config),
      readHeaders(component),
      name === 'prior' && mix !== null ? readHeaders(mix.component) : null,
    ])
    const bound = bindWeights(graph.entry, weights)
    const mixed =
      other === null ? bound : mixWeights(bound, bindWeights(graph.entry, other), mix?.weight ?? 0)
    return [name, { graph, weights: mixed }] as const
  })
  return Object.fromEntries(await Promise.all(planned)) as LoadPlan
}

function readHeaders({ weightFiles }: Component): Promise<readonly SafetensorsHeader[]> {
  return Promise.all(weightFiles.map((file) => readHeader(file)))
}
