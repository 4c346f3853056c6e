import { PromptSyntaxError, show } from '../../errors'

/** `Expected ) for the ( but received the end of the prompt, at column 4`. Columns count whole characters from 1. */
export function syntaxError(
  source: string,
  offset: number,
  what: string,
  received?: string,
): PromptSyntaxError {
  const column = columnOf(source, offset)
  const found = received ?? foundAt(source, offset)
  return new PromptSyntaxError(`Expected ${what} but received ${found}, at column ${column}`, {
    details: { column, offset },
  })
}

/** Characters as Unicode counts them: an emoji is one, not two. */
export function columnOf(source: string, offset: number): number {
  return Array.from(source.slice(0, offset)).length + 1
}

const SHOWN = 20

function foundAt(source: string, offset: number): string {
  return offset >= source.length ? 'the end of the prompt' : show(source.slice(offset, offset + SHOWN))
}
