/** What a text encoder is to read, in its three forms. */

import { checkTensor, type FloatTensor } from '../tensors/float-tensor'
import { padded, plain, type TextPlan } from '../text/plan'
import type { Tokenizer, Tokens } from '../text/tokenizer'
import { MOST_CHUNKS } from '../text/weights'

/** A text encoder's tokenizer, and the size of what it makes of each token. */
export interface TextReader extends Tokenizer {
  readonly channels: number
}

export interface TextReaders {
  readonly prior: TextReader
  readonly decoder: TextReader
}

/** Tokens of one text; what to make of several; or what a text encoder made of some. */
export type TextSource = Tokens | TextPlan | FloatTensor

/** The text that is not read, or null. */
export function truncatedIn(source: TextSource): string | null {
  return 'truncated' in source ? source.truncated : null
}

/** Every token that is read of a text. */
export function idsIn(source: TextSource): readonly number[] {
  if ('ids' in source) return [...source.ids]
  if ('shape' in source) return []
  const chunks = source.parts.flatMap(({ members }) => members.flatMap((member) => member.chunks))
  return chunks.flatMap((chunk) => ('tokens' in chunk ? [...chunk.tokens.ids] : []))
}

/** What tells two plans of one prompt apart. */
export function contentOf({ parts }: TextPlan): string {
  const chunks = parts.flatMap(({ members }) => members.flatMap((member) => member.chunks))
  return chunks
    .map((chunk) => ('tokens' in chunk ? `${chunk.tokens.ids.join()} ${chunk.weights?.join()}` : ''))
    .join(';')
}

/** A plan in which nothing has a weight is its tokens. */
export function simple(plan: TextPlan): TextSource {
  const [part, ...parts] = plan.parts
  const [member, ...members] = part?.members ?? []
  const [chunk, ...chunks] = member?.chunks ?? []
  const alone =
    parts.length + members.length + chunks.length === 0 && part?.weight === 1 && member?.factor === 1
  const isPlain =
    chunk !== undefined && 'tokens' in chunk && chunk.weights === null && chunk.without.length === 0
  return alone && isPlain
    ? Object.freeze({ ...chunk.tokens, truncated: plan.truncated })
    : Object.freeze(plan)
}

/** Given embeddings; a copy: what the caller does with its own later changes no request. */
export function copied(name: string, tensor: FloatTensor, { length, channels }: TextReader): FloatTensor {
  // Those of a long prompt are several times as long.
  const tokens = (tensor as Partial<FloatTensor>).shape?.[1] ?? 0
  const isLong = tokens > length && tokens % length === 0 && tokens <= MOST_CHUNKS * length
  const wanted = [1, isLong ? tokens : length, channels]
  const { shape, data } = checkTensor(name, tensor, wanted)
  return Object.freeze({ shape: Object.freeze(shape), data: data.slice() })
}

/** How many times the tokens that a text encoder reads at once. */
export function chunksIn(source: TextSource, { length }: TextReader): number {
  if ('parts' in source) return source.chunks
  return 'ids' in source ? 1 : (source.shape[1] as number) / length
}

export function lengthened(source: TextSource, reader: TextReader, chunks: number): TextSource {
  const length = chunksIn(source, reader)
  if (length === chunks) return source
  const content = 'ids' in source ? plain(source) : 'shape' in source ? { given: source } : null
  const parts = content === null ? [] : [{ weight: 1, members: [{ factor: 1, chunks: [content] }] }]
  const truncated = 'truncated' in source ? source.truncated : null
  const plan = 'parts' in source ? source : { parts, empty: reader.frame([]), chunks: length, truncated }
  return Object.freeze(padded(plan, chunks))
}
