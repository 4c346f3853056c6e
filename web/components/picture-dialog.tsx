import { useEffect, useRef, useState } from 'preact/hooks'
import type { ImageMetadata } from '../api/types'
import type { GalleryPicture } from '../gallery/store'
import { useAddress } from '../gallery/use-address'
import { readMetadata } from '../png/read-text'
import { SettingsTable } from './settings-table'

export interface PictureDialogProps {
  readonly picture: GalleryPicture
  readonly doubt: (metadata: ImageMetadata) => string | null
  readonly onClose: () => void
  readonly onRemove: () => void
  readonly onReplay: ((metadata: ImageMetadata) => void) | null
}

/** One picture, large, with its settings. Escape closes it, and the focus goes back to where it was. */
export function PictureDialog({ picture, doubt, onClose, onRemove, onReplay }: PictureDialogProps) {
  const dialog = useRef<HTMLDialogElement>(null)
  const address = useAddress(picture.png)
  const [metadata, setMetadata] = useState<ImageMetadata | null>(null)
  useEffect(() => dialog.current?.showModal(), [])
  useEffect(() => {
    picture.png.arrayBuffer().then((bytes) => setMetadata(readMetadata(new Uint8Array(bytes))))
  }, [picture])
  const replay = (settings: ImageMetadata) => {
    // First: a dialog that closes takes the focus back to the gallery.
    dialog.current?.close()
    onReplay?.(settings)
  }
  return (
    <dialog ref={dialog} onClose={onClose} aria-label={picture.prompt}>
      <img class="whole" src={address} alt={picture.prompt} />
      {metadata !== null && (
        <SettingsTable
          metadata={metadata}
          doubt={doubt(metadata)}
          onReplay={onReplay === null ? null : replay}
        />
      )}
      <div class="buttons">
        {address !== undefined && (
          <a href={address} download={fileName(picture)}>
            Download
          </a>
        )}
        <button type="button" onClick={onRemove}>
          Delete
        </button>
        <button type="button" onClick={() => dialog.current?.close()}>
          Close
        </button>
      </div>
    </dialog>
  )
}

function fileName({ prompt, id }: GalleryPicture): string {
  const words = prompt
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, '-')
    .replace(/^-|-$/g, '')
  return `${words.slice(0, 60) || 'picture'}-${id.slice(-6).replace('/', '-')}.png`
}
