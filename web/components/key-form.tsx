import { useEffect, useRef, useState } from 'preact/hooks'

/** Asks for the API key of a server that has some. */
export function KeyForm({ refused, onKey }: { refused: boolean; onKey: (key: string) => void }) {
  const [key, setKey] = useState('')
  const field = useRef<HTMLInputElement>(null)
  useEffect(() => field.current?.focus(), [])
  const submit = (event: Event) => {
    event.preventDefault()
    if (key.trim() !== '') onKey(key.trim())
  }
  return (
    <form class="card" onSubmit={submit} aria-labelledby="key-title">
      <h2 id="key-title">API key</h2>
      <p id="key-help">
        This server asks for a key. Whoever runs it has one for you. The browser keeps it until you close this
        tab.
      </p>
      <label class="field">
        Key
        <input
          ref={field}
          type="password"
          required
          autocomplete="off"
          spellcheck={false}
          value={key}
          onInput={(event) => setKey(event.currentTarget.value)}
          aria-describedby={refused ? 'key-refused key-help' : 'key-help'}
          aria-invalid={refused}
        />
      </label>
      {refused && (
        <p id="key-refused" class="error" role="alert">
          The server does not know this key.
        </p>
      )}
      <button type="submit">Use this key</button>
    </form>
  )
}
