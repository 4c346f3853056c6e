import { useState } from 'preact/hooks'
import type { Client } from '../api/client'
import type { Info } from '../api/types'

export interface LorasProps {
  readonly client: Client
  readonly info: Info
  readonly onInfo: (info: Info) => void
  readonly announce: (text: string) => void
}

/** Scales of the server's LoRAs. They are the server's, not a job's: everyone's later pictures change with them. */
export function Loras({ client, info, onInfo, announce }: LorasProps) {
  const [mistake, setMistake] = useState<string | null>(null)
  const loras = info.models[0]?.loras ?? []
  if (loras.length === 0) return null
  const set = async (name: string, text: string) => {
    const scale = Number(text)
    if (text.trim() === '' || !Number.isFinite(scale)) return
    setMistake(null)
    try {
      onInfo(await client.setLoraScales({ [name]: scale }))
      announce(`The scale of ${name} is ${scale}.`)
    } catch (error) {
      setMistake((error as Error).message)
    }
  }
  return (
    <fieldset class="card">
      <legend>LoRA scales</legend>
      <p class="quiet">
        {info.admin
          ? 'They apply to the next pictures of everyone who uses this server.'
          : 'Only keys with admin can change them.'}
      </p>
      {loras.map(({ name, scale }) => (
        <label key={name} class="inline">
          {name}
          <input
            type="number"
            step="any"
            min={-100}
            max={100}
            value={scale}
            disabled={!info.admin}
            onChange={(event) => set(name, event.currentTarget.value)}
          />
        </label>
      ))}
      {mistake !== null && (
        <p class="error" role="alert">
          {mistake}
        </p>
      )}
    </fieldset>
  )
}
