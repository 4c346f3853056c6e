import { newKey } from '../server'

/** `wuerstchen key`: the key goes to its client, the entry into the configuration. */
export function key(name: string, { json = false }: { readonly json?: boolean }): void {
  const made = newKey(name)
  if (json) console.log(JSON.stringify(made))
  else
    console.log(
      `key, for the client; it is shown this once:\n  ${made.key}\nentry, for "keys" of the server's configuration:\n  ${JSON.stringify(made.entry)}`,
    )
}
