import type { ReadPrompt, Request } from '../request/request'

/** What decides how much memory the tensors of a picture take. */
export type Picture = Pick<Request, 'sizes' | 'prior' | 'decoder' | 'part'> & { readonly tokens: number }

/** What the memory of a request's images depends on; that of the longest prompt. */
export function pictureOf(request: Request): Picture {
  const { sizes, prior, decoder, part, prompts } = request
  const lengths = prompts.flatMap((prompt) => [tokensIn(prompt.prior), tokensIn(prompt.decoder)])
  return { sizes, prior, decoder, part, tokens: Math.max(0, ...lengths) }
}

/** Tokens of one text encoder's prompt, or of what it made of one. */
export function tokensIn(source: ReadPrompt['prior']): number {
  if ('parts' in source) return source.chunks * source.empty.ids.length
  return 'ids' in source ? source.ids.length : (source.shape[1] as number)
}
