import { useCallback, useState } from 'preact/hooks'

/** What screen readers hear, and others do not see. */
export function Announcer({ text }: { text: string }) {
  return (
    <p class="unseen" role="status" aria-live="polite">
      {text}
    </p>
  )
}

/** The same text twice is read twice: a space that is not seen tells the two apart. */
export function useAnnouncer() {
  const [text, setText] = useState('')
  const announce = useCallback(
    (next: string) => setText((now) => (now === next ? `${next}\u00a0` : next)),
    [],
  )
  return { text, announce }
}
