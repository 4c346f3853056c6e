/** sharp, which encodes and reads pictures: loaded when it is needed, and its errors are ours. */
import { WuerstchenError } from '../errors'

type Sharp = typeof import('sharp', { with: { 'resolution-mode': 'require' }})

/**
 * By `require()`: a test runner that evaluates CommonJS itself, such as Jest, refuses `import()`.
 * @throws WuerstchenError (SHARP_FAILED) where it cannot be loaded, such as without its binaries for this platform.
 */
export function loadSharp(): Sharp {
  try {
    return require('sharp') as Sharp
  } catch (cause) {
    const message = `Expected sharp to be loaded but ${reasonOf(cause).split('\n', 1)[0]}`
    const fix = remedyOf(cause)
    throw new WuerstchenError('SHARP_FAILED', fix === null ? message : `${message}. Run: ${fix}`, {
      cause,
      details: { fix },
    })
  }
}

/** What sharp makes, or its reason as an error of ours. `what` follows `Expected sharp to`. */
export async function encoded(what: string, work: () => Promise<Buffer>): Promise<Buffer> {
  return work().catch((cause: unknown) => {
    throw new WuerstchenError('SHARP_FAILED', `Expected sharp to ${what} but ${reasonOf(cause)}`, { cause })
  })
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}

/** The commands in sharp's long explanation: which package it is depends on the platform. Null where it has none. */
function remedyOf(cause: unknown): string | null {
  const commands = reasonOf(cause).match(/(?<=^\s*)(?:npm|yarn|pnpm|brew) .+$/gm) ?? []
  return commands.length === 0 ? null : commands.join(', or: ')
}
