import { expected, ModelError } from '../errors'
import { saveFile } from '../files/save'
import { checkTensor, type FloatTensor } from '../tensors/float-tensor'
import { readTruncated, type TruncatedText, truncationWarning } from '../text/truncated'
import { checkBytes, checkPath, decode, encode, readBytes } from './safetensors'

/** Which prompts of a picture were given as embeddings. */
export const EMBEDDINGS_GIVEN = ['prompt', 'negativePrompt', 'both'] as const
export type GivenAsEmbeddings = (typeof EMBEDDINGS_GIVEN)[number]

/**
 * What the model reads of a text: the last hidden states of both text encoders, (1, tokens, channels) each. Takes the place of
 * a prompt or a negative prompt wherever one is expected.
 */
export class PromptEmbeddings {
  /** For Stage C: (1, 77, 1280) in v2. */
  readonly prior: FloatTensor
  /** For Stage B: (1, 77, 1024) in v2. */
  readonly decoder: FloatTensor
  /** The end of the text that is not in them, where it was too long. Empty if all is, or where it is not known. */
  readonly truncated: readonly TruncatedText[]

  constructor(
    embeddings: { readonly prior: FloatTensor; readonly decoder: FloatTensor },
    /** The text, where it is known: it goes into the picture's metadata. */
    readonly text: string = '',
    truncated: readonly TruncatedText[] = [],
  ) {
    if (typeof embeddings !== 'object' || embeddings === null)
      throw expected('embeddings', 'an object with the tensors prior and decoder', embeddings)
    if (typeof text !== 'string') throw expected('text', 'a string', text)
    if (!Array.isArray(truncated)) throw expected('truncated', 'a list', truncated)
    this.prior = checkTensor('prior', embeddings.prior, [1, null, null])
    this.decoder = checkTensor('decoder', embeddings.decoder, [1, null, null])
    this.truncated = Object.freeze(readTruncated(truncated).map((one) => Object.freeze(one)))
  }

  /** The same as `generate()` words it. */
  get warnings(): readonly string[] {
    return this.truncated.map((one) => truncationWarning({ names: ['prompt'], ...one }))
  }

  /** As a .safetensors file with the tensors `prior` and `decoder`. */
  toSafetensors(): Uint8Array {
    const { text, truncated } = this
    const facts = { text, ...(truncated.length > 0 && { truncated }) }
    return encode({ prior: this.prior, decoder: this.decoder }, facts)
  }

  /** Writes the whole file or none. */
  async toFile(path: string): Promise<void> {
    await saveFile(checkPath(path), this.toSafetensors())
  }

  /** @throws ModelError (WEIGHTS_INVALID) for bytes that are no such file. */
  static fromSafetensors(bytes: Uint8Array): PromptEmbeddings {
    return read(checkBytes(bytes), 'the bytes')
  }

  /**
   * From what `toFile()` wrote.
   * @throws ModelError (WEIGHTS_INVALID) for a file that is not there or no such file, InvalidArgumentError for no path.
   */
  static async fromFile(path: string): Promise<PromptEmbeddings> {
    return read(await readBytes(checkPath(path)), path)
  }
}

function read(bytes: Uint8Array, name: string): PromptEmbeddings {
  const { tensors, facts } = decode(bytes, name)
  const [prior, decoder] = [tensors.get('prior'), tensors.get('decoder')]
  if (prior === undefined || decoder === undefined) {
    const found = [...tensors.keys()].slice(0, 5).join(', ')
    throw new ModelError(
      'WEIGHTS_INVALID',
      `${name}: Expected the tensors prior and decoder but found ${found || 'none'}`,
    )
  }
  try {
    const text = typeof facts.text === 'string' ? facts.text : ''
    return new PromptEmbeddings({ prior, decoder }, text, readTruncated(facts.truncated))
  } catch (cause) {
    throw new ModelError('WEIGHTS_INVALID', `${name}: ${(cause as Error).message}`, { cause })
  }
}
