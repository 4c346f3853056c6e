export function ServerDown({ message, onRetry }: { message: string; onRetry: () => void }) {
  return (
    <section class="card" role="alert">
      <p>{message}</p>
      <button type="button" onClick={onRetry}>
        Try again
      </button>
    </section>
  )
}
