import type { Session } from '../api/use-session'

export function Header({ session }: { session: Session }) {
  const { state, hasKey, useKey } = session
  const model = state.name === 'ready' ? state.info.models[0] : undefined
  return (
    <header>
      <h1>wuerstchen</h1>
      {model !== undefined && (
        <p class="quiet">
          {model.id} on {model.device}, {model.dtype}
        </p>
      )}
      {hasKey && (
        <button type="button" class="plain" onClick={() => useKey(null)}>
          Forget the API key
        </button>
      )}
    </header>
  )
}
