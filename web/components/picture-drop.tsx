import { useEffect, useRef, useState } from 'preact/hooks'
import type { ImageMetadata } from '../api/types'
import { readMetadata } from '../png/read-text'
import { SettingsTable } from './settings-table'

export interface PictureDropProps {
  readonly onReplay: (metadata: ImageMetadata) => void
  readonly doubt: (metadata: ImageMetadata) => string | null
  readonly announce: (text: string) => void
}

const MOST_BYTES = 256 * 2 ** 20
const NOT_OURS = 'This file has no settings of wuerstchen: expected a PNG that was made by it.'

/** Shows the settings of a PNG that is dropped anywhere on the page, or chosen. It stays in the browser. */
export function PictureDrop({ onReplay, doubt, announce }: PictureDropProps) {
  const [read, setRead] = useState<{ name: string; metadata: ImageMetadata | null } | null>(null)
  const title = useRef<HTMLHeadingElement>(null)
  const open = async (file: File | undefined) => {
    if (file === undefined) return
    const bytes = file.size > MOST_BYTES ? new Uint8Array() : new Uint8Array(await file.arrayBuffer())
    const metadata = readMetadata(bytes)
    setRead({ name: file.name, metadata })
    announce(metadata === null ? NOT_OURS : `Settings of ${file.name}`)
  }
  const over = useDroppedFiles(open)
  useEffect(() => title.current?.focus(), [read])
  return (
    <section class={over ? 'card drop over' : 'card drop'} aria-labelledby="drop-title">
      <h2 id="drop-title">Settings of a picture</h2>
      <label class="field">
        Drop a PNG of wuerstchen on this page, or choose one
        <input
          type="file"
          accept="image/png"
          onChange={(event) => {
            open(event.currentTarget.files?.[0])
            event.currentTarget.value = '' // the same file again is a change, too
          }}
        />
      </label>
      {read !== null && (
        <>
          <h3 ref={title} tabIndex={-1}>
            {read.name}
          </h3>
          {read.metadata === null ? (
            <p class="error">{NOT_OURS}</p>
          ) : (
            <SettingsTable metadata={read.metadata} doubt={doubt(read.metadata)} onReplay={onReplay} />
          )}
        </>
      )}
    </section>
  )
}

/** Whether a file is over the page now. Without this the browser would leave the page and show the file. */
function useDroppedFiles(open: (file: File | undefined) => void): boolean {
  const [over, setOver] = useState(false)
  const latest = useRef(open)
  latest.current = open
  useEffect(() => {
    const page = new AbortController()
    const on = (type: 'dragover' | 'dragleave' | 'drop', then: (event: DragEvent) => void) =>
      document.addEventListener(type, then, { signal: page.signal })
    on('dragover', (event) => {
      event.preventDefault()
      setOver(event.dataTransfer?.types.includes('Files') ?? false)
    })
    on('dragleave', ({ relatedTarget }) => relatedTarget === null && setOver(false))
    on('drop', (event) => {
      event.preventDefault()
      setOver(false)
      latest.current(event.dataTransfer?.files[0])
    })
    return () => page.abort()
  }, [])
  return over
}
