/** The API key, in the session's storage: it is gone when the tab is closed. */
const NAME = 'wuerstchen.key'

export function keptKey(): string | null {
  try {
    return sessionStorage.getItem(NAME)
  } catch {
    return null
  }
}

export function keepKey(key: string | null): void {
  try {
    if (key === null) sessionStorage.removeItem(NAME)
    else sessionStorage.setItem(NAME, key)
  } catch {
    // Without storage the key holds until the page is left.
  }
}
