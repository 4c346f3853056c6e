import { type TSchema, type TUnsafe, Type } from '@sinclair/typebox'

/** One of several words, as an `enum`: clearer in a document, and in an error, than a choice of constants. */
export function oneOf<const Word extends string>(
  words: readonly Word[],
  options: { readonly description?: string; readonly default?: Word } = {},
): TUnsafe<Word> {
  return Type.Unsafe<Word>({ type: 'string', enum: words, ...options })
}

/** The same, or null: OpenAI's clients send null for what is left out. */
export function orNull<Schema extends TSchema>(schema: Schema): TUnsafe<Schema['static'] | null> {
  const { type, enum: words } = schema as { type?: string; enum?: string[] }
  if (type === undefined) return Type.Unsafe({ anyOf: [schema, { type: 'null' }] })
  return Type.Unsafe({
    ...schema,
    type: [type, 'null'],
    ...(words === undefined ? {} : { enum: [...words, null] }),
  })
}
