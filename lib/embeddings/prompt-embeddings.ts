import { ModelError } from '../errors'
import { saveFile } from '../files/save'
import { checkTensor, type FloatTensor } from '../tensors/float-tensor'
import { decode, encode, readBytes } from './safetensors'

/**
 * What the model reads of a text: the last hidden states of both text encoders, (1, tokens, channels) each. Takes the place of
 * a prompt or a negative prompt wherever one is expected.
 */
export class PromptEmbeddings {
  /** For Stage C: (1, 77, 1280) in v2. */
  readonly prior: FloatTensor
  /** For Stage B: (1, 77, 1024) in v2. */
  readonly decoder: FloatTensor

  constructor(
    embeddings: { readonly prior: FloatTensor; readonly decoder: FloatTensor },
    /** The text, where it is known: it goes into the picture's metadata. */
    readonly text: string = '',
  ) {
    this.prior = checkTensor('prior', embeddings.prior, [1, null, null])
    this.decoder = checkTensor('decoder', embeddings.decoder, [1, null, null])
  }

  /** As a .safetensors file with the tensors `prior` and `decoder`. */
  toSafetensors(): Uint8Array {
    return encode({ prior: this.prior, decoder: this.decoder }, { text: this.text })
  }

  /** Writes the whole file or none. */
  async toFile(path: string): Promise<void> {
    await saveFile(path, this.toSafetensors())
  }

  /** @throws ModelError (WEIGHTS_INVALID) for bytes that are no such file. */
  static fromSafetensors(bytes: Uint8Array): PromptEmbeddings {
    return read(bytes, 'the bytes')
  }

  static async fromFile(path: string): Promise<PromptEmbeddings> {
    return read(await readBytes(path), path)
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
    return new PromptEmbeddings({ prior, decoder }, typeof facts.text === 'string' ? facts.text : '')
  } catch (cause) {
    throw new ModelError('WEIGHTS_INVALID', `${name}: ${(cause as Error).message}`, { cause })
  }
}
