import type { GraphEntry } from '../model/manifest'

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

/** Numbers of a network's weights that kernels bring into a layout of their own, and of the largest of them. */
export function packedNumbers(
  { parameters }: Pick<GraphEntry, 'parameters'>,
  image: ImageWidths,
): { readonly all: number; readonly largest: number } {
  const products = parameters.filter(({ name }) => PRODUCTS.test(name))
  const numbers = products.map((parameter) => numbersOf(parameter, image))
  return { all: numbers.reduce((sum, one) => sum + one, 0), largest: Math.max(0, ...numbers) }
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
