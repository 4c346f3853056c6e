import type { GraphEntry } from '../model/manifest'
import type { Dtype, NativeKernels } from '../native/types'
import { bytesOf } from '../tensors/dtype'

/** Bytes of a number in the kernels' layout; of one in 8 bits with its share of a scale. */
export function packedBytesOf(pack: NativeKernels['pack'], dtype: Dtype): number {
  return pack === 'int8' || pack === 'bytes' ? 1.1 : bytesOf(dtype)
}

type Parameter = GraphEntry['parameters'][number]

/** The large products of a block: its channel mixer's layers, and attention's. All other weights are read as they lie. */
const PRODUCTS = /(?:channelwise\.\d+|attention\.to_\w+(?:\.\d+)?)\.weight$/

/** The first layer of a channel mixer, which also reads what is joined to its map. */
const FIRST = /channelwise\.0\.weight$/

/** Widths of Stage B's image embeddings: as they come, and as what the graph maps them to. */
export interface ImageWidths {
  readonly imageChannels: number
  readonly mapChannels: number
}

/** Of these a norm's shift, or a scalar of Stage A's, is folded into the weight or its bias. */
const SECOND = /channelwise\.[24]\.weight$/

/** Numbers of a network's weights that kernels bring into a layout of their own, and of the largest that something is folded into. */
export function packedNumbers(
  { parameters }: Pick<GraphEntry, 'parameters'>,
  image: ImageWidths,
): { readonly all: number; readonly folded: number } {
  const numbers = (names: RegExp) =>
    parameters.filter(({ name }) => names.test(name)).map((parameter) => numbersOf(parameter, image))
  return {
    all: numbers(PRODUCTS).reduce((sum, one) => sum + one, 0),
    folded: Math.max(0, ...numbers(SECOND)),
  }
}

/** Columns that read mapped image embeddings become as many as the embeddings have channels. */
function numbersOf({ name, shape }: Parameter, { imageChannels, mapChannels }: ImageWidths): number {
  const [rows = 0, columns = 0] = shape
  if (!FIRST.test(name)) return rows * columns
  const channels = rows / 4 // a mixer is four times as wide as its map
  const joined = columns - channels
  const reads = joined === mapChannels || joined === channels + mapChannels
  return rows * (reads ? columns - mapChannels + imageChannels : columns)
}
