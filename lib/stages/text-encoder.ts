import { bug } from '../errors'
import type { NativeDevice, NativeGraph, NativeTensor, WeightBinding } from '../native/types'
import type { Tokens } from '../text/tokenizer'

/** CLIP's text model: what a stage reads of a text. Each stage has its own. */
export class TextEncoder {
  constructor(
    private readonly device: NativeDevice,
    private readonly graph: NativeGraph,
  ) {}

  /** Tokens of one text -> text embeddings, (1, T, C). Texts go one by one: no text's result depends on another. */
  async encode({ ids, mask }: Tokens): Promise<NativeTensor> {
    const shape = [1, ids.length]
    const [text] = await this.device.run(this.graph, 'encode', [
      { dtype: 'int64', shape, data: ids },
      { dtype: 'int64', shape, data: mask },
    ])
    if (text === undefined) throw bug('Expected encode to return a tensor but received none.')
    return text
  }

  /** Other values for some weights. */
  rebind(weights: readonly WeightBinding[]): Promise<void> {
    return this.device.rebind(this.graph, weights)
  }

  dispose(): void {
    this.graph.dispose()
  }
}
