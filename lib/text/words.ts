/** A stretch of a text: a word that was learnt, with its ids, or what stands between such words. */
interface Piece {
  readonly text: string
  readonly start: number
  readonly ids: readonly number[] | null
}

/** Words with ids of their own; never changed, so that what is being read is read with the words that it began with. */
export class Words {
  private readonly pattern: RegExp | null
  /** Whose an id is, and whether it is the last one of its word. */
  private readonly owners: ReadonlyMap<number, { readonly word: string; readonly isLast: boolean }>

  constructor(private readonly known: ReadonlyMap<string, readonly number[]> = new Map()) {
    this.owners = new Map(
      [...known].flatMap(([word, ids]) => {
        return ids.map((id, place) => [id, { word, isLast: place === ids.length - 1 }] as const)
      }),
    )
    // The longest first: one word may begin with another.
    const words = [...known.keys()].sort((a, b) => b.length - a.length).map(escaped)
    this.pattern =
      words.length === 0 ? null : new RegExp(`${NOT_AFTER}(?:${words.join('|')})${NOT_BEFORE}`, 'gu')
  }

  with(word: string, ids: readonly number[]): Words {
    return new Words(new Map(this.known).set(word, ids))
  }

  without(word: string): Words {
    return new Words(new Map([...this.known].filter(([known]) => known !== word)))
  }

  has(id: number): boolean {
    return this.owners.has(id)
  }

  /** Whether a word ends with this id; undefined for an id of ordinary text. */
  endsAt(id: number): boolean | undefined {
    return this.owners.get(id)?.isLast
  }

  /** The words that some of these ids belong to. */
  among(ids: readonly number[]): readonly string[] {
    if (this.owners.size === 0) return []
    return [...new Set(ids.flatMap((id) => this.owners.get(id)?.word ?? []))]
  }

  split(text: string): readonly Piece[] {
    if (this.pattern === null) return [{ text, start: 0, ids: null }]
    const pieces: Piece[] = []
    let from = 0
    for (const { 0: word, index } of text.matchAll(this.pattern)) {
      if (index > from) pieces.push({ text: text.slice(from, index), start: from, ids: null })
      pieces.push({ text: word, start: index, ids: this.known.get(word) ?? [] })
      from = index + word.length
    }
    if (from < text.length) pieces.push({ text: text.slice(from), start: from, ids: null })
    return pieces
  }
}

// Not within a longer word.
const NOT_AFTER = '(?<![\\p{L}\\p{N}_])'
const NOT_BEFORE = '(?![\\p{L}\\p{N}_])'

function escaped(word: string): string {
  return word.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
}
