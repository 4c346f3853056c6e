import { useCallback, useEffect, useMemo, useState } from 'preact/hooks'
import { ApiError, Client } from './client'
import { keepKey, keptKey } from './key'
import type { Info } from './types'

const LOADING_MS = 2000

export type SessionState =
  | { readonly name: 'connecting' }
  /** `refused`: the key that was tried is not known. */
  | { readonly name: 'locked'; readonly refused: boolean }
  | { readonly name: 'down'; readonly message: string }
  | { readonly name: 'ready'; readonly info: Info }

export interface Session {
  readonly state: SessionState
  readonly client: Client
  readonly hasKey: boolean
  /** Null forgets it. */
  readonly useKey: (key: string | null) => void
  readonly setInfo: (info: Info) => void
  readonly retry: () => void
}

/** Whether the server lets this page in, and what it can do. */
export function useSession(): Session {
  const [key, setKey] = useState(keptKey)
  const [state, setState] = useState<SessionState>({ name: 'connecting' })
  const client = useMemo(
    () =>
      new Client({
        key: () => key,
        onUnauthorized: () => setState({ name: 'locked', refused: key !== null }),
      }),
    [key],
  )
  const ask = useCallback(async () => {
    try {
      setState({ name: 'ready', info: await client.info() })
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) return
      setState({ name: 'down', message: (error as Error).message })
    }
  }, [client])

  useEffect(() => {
    ask()
  }, [ask])
  // While the model loads there is none to ask for.
  const loading = state.name === 'ready' && state.info.models.length === 0
  useEffect(() => {
    if (!loading) return
    const timer = setInterval(ask, LOADING_MS)
    return () => clearInterval(timer)
  }, [loading, ask])

  const useKey = useCallback((next: string | null) => {
    keepKey(next)
    setState({ name: 'connecting' })
    setKey(next)
  }, [])
  const setInfo = useCallback((info: Info) => setState({ name: 'ready', info }), [])
  return { state, client, hasKey: key !== null, useKey, setInfo, retry: ask }
}
