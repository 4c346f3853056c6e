import { bug } from '../errors'
import type { NativeDevice, NativeGraph, NativeTensor, RebindOptions, WeightBinding } from '../native/types'
import type { FloatTensor } from '../tensors/float-tensor'
import type { Tokens } from '../text/tokenizer'
import { TextCache } from './text-cache'

/** What a text encoder reads at once. */
type Read = Pick<Tokens, 'ids' | 'mask'>

/** CLIP's text model: what a stage reads of a text. Each stage has its own. */
export class TextEncoder {
  readonly cache: TextCache

  constructor(
    private readonly device: NativeDevice,
    private readonly graph: NativeGraph,
    /** Bytes of answers that are kept for the next time; 0 keeps none. */
    cacheBytes = 0,
  ) {
    this.cache = new TextCache(cacheBytes)
  }

  /** Tokens of one text -> text embeddings, (1, T, C). Texts go one by one: no text's result depends on another. */
  async encode({ ids, mask }: Read): Promise<NativeTensor> {
    const shape = [1, ids.length]
    const [text] = await this.device.run(this.graph, 'encode', [
      { dtype: 'int64', shape, data: ids },
      { dtype: 'int64', shape, data: mask },
    ])
    if (text === undefined) throw bug('Expected encode to return a tensor but received none.')
    return text
  }

  /** The same as numbers on this side: those of before, if it has read this before. */
  read(tokens: Read): Promise<FloatTensor> {
    return this.cache.get(`${tokens.ids.join()} ${tokens.mask.join()}`, async () => {
      const text = await this.encode(tokens)
      return this.device.read(text).finally(() => text.dispose())
    })
  }

  /** Other values for some weights: nothing that was read before holds any more. */
  async rebind(weights: readonly WeightBinding[], how?: RebindOptions): Promise<void> {
    this.cache.clear()
    await this.device.rebind(this.graph, weights, how).finally(() => this.cache.clear())
  }

  dispose(): void {
    this.cache.clear()
    this.graph.dispose()
  }
}
