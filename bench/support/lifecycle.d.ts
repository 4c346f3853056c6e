export interface LifecycleCase {
  readonly name: string
  readonly body: string
  readonly ends: {
    readonly status: number | null
    readonly signal: string | null
    readonly stdout: string
    readonly stderr?: string
  }
}

export const CASES: readonly LifecycleCase[]

/** `wrong` is null where it ended as it should. */
export function run(
  node: string,
  one: LifecycleCase,
): { readonly seconds: number; readonly wrong: object | null }
