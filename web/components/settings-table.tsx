import type { ImageMetadata } from '../api/types'
import { describeMetadata } from '../settings/describe'

export interface SettingsTableProps {
  readonly metadata: ImageMetadata
  /** Why the picture cannot be made again exactly. */
  readonly doubt: string | null
  /** Null where no server is there to make it. */
  readonly onReplay: ((metadata: ImageMetadata) => void) | null
}

/** What made a picture. */
export function SettingsTable({ metadata, doubt, onReplay }: SettingsTableProps) {
  return (
    <>
      <dl>
        {describeMetadata(metadata).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {doubt !== null && <p class="quiet">{doubt}</p>}
      {onReplay !== null && (
        <button type="button" onClick={() => onReplay(metadata)}>
          Use these settings
        </button>
      )}
    </>
  )
}
