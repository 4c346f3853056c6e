/** What a caller's function throws is the caller's: it is passed on as it is. */
export class Calls<T> {
  private thrown: { readonly error: unknown } | null = null

  constructor(private readonly call: ((value: T) => void) | undefined) {}

  readonly tell = (value: T): void => {
    try {
      this.call?.(value)
    } catch (error) {
      this.thrown ??= { error }
      throw error
    }
  }

  threw(error: unknown): boolean {
    return this.thrown !== null && this.thrown.error === error
  }
}
