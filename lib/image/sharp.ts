/** sharp, which encodes and reads pictures: loaded when it is needed, and its errors are ours. */
import { WuerstchenError } from '../errors'

/** @throws WuerstchenError (SHARP_FAILED) where it cannot be loaded, such as without its binaries for this platform. */
export async function loadSharp() {
  try {
    const { default: sharp } = await import('sharp')
    return sharp
  } catch (cause) {
    throw failed('be loaded', cause)
  }
}

/** What sharp makes, or its reason as an error of ours. `what` follows `Expected sharp to`. */
export async function encoded(what: string, work: () => Promise<Buffer>): Promise<Buffer> {
  return work().catch((cause: unknown) => {
    throw failed(what, cause)
  })
}

function failed(what: string, cause: unknown): WuerstchenError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new WuerstchenError('SHARP_FAILED', `Expected sharp to ${what} but ${reason}`, { cause })
}
