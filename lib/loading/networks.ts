/** What the networks of each stage take in memory beside their weights' files. */
import type { StageNetworks } from '../memory/memory'
import { type ImageWidths, packedBytesOf, packedNumbers } from '../memory/packing'
import type { Dtype, NativeGraph, NativeKernels } from '../native/types'
import { bytesOf } from '../tensors/dtype'
import { volume } from '../tensors/shape'
import type { ComponentName, OfEach } from './components'
import type { NetworkRun } from './dtypes'
import type { LoadPlan, NetworkPlan } from './plan'

/** Which networks run in which stage. */
export function networksOf(
  graphs: OfEach<NativeGraph>,
  plan: LoadPlan,
  runOf: (name: ComponentName) => NetworkRun,
  image: ImageWidths,
): StageNetworks {
  const of = (name: ComponentName) => {
    const { stored, dtype, kernels } = runOf(name)
    const { graph } = plan[name] as NetworkPlan
    const widest = Math.max(0, ...graph.entry.parameters.map(({ shape }) => volume(shape)))
    const packed = packedNumbers(graph.entry, image)
    return {
      graph: graphs[name] as NativeGraph,
      widest: stored !== dtype ? widest : 0,
      packed: Math.ceil(packedBytes(name, kernels, dtype) * packed.all),
      prepared: kernels !== null && hasBlocks(name) ? DOUBLE * packed.folded : 0,
      parameters: graph.entry.parameters.length,
    }
  }
  const previewer = graphs.previewer === undefined ? [] : [of('previewer')]
  return {
    prior: [of('priorTextEncoder'), of('prior'), ...previewer],
    decoder: [of('decoderTextEncoder'), of('decoder')],
    vqgan: [of('vqgan')],
  }
}

/**
 * Private bytes of a weight in the kernels' layout. Stage A's are packed wherever there are kernels: its scalars are folded into
 * them.
 */
function packedBytes(name: ComponentName, kernels: NativeKernels | null, dtype: Dtype): number {
  if (kernels === null || !hasBlocks(name) || kernels.shared) return 0
  if (kernels.pack !== 'none') return packedBytesOf(kernels.pack, dtype)
  return name === 'vqgan' ? bytesOf(dtype) : 0
}

/** Whether kernels copy what it computes with: a text encoder's weights are read where they lie. */
function hasBlocks(name: ComponentName): boolean {
  return name === 'prior' || name === 'decoder' || name === 'vqgan'
}

const DOUBLE = 8 // bytes: what is folded into a weight or its bias is multiplied so
