import { useRef, useState } from 'preact/hooks'
import type { ImageMetadata } from '../api/types'
import type { GalleryPicture } from '../gallery/store'
import type { Gallery as Pictures } from '../gallery/use-gallery'
import { PictureDialog } from './picture-dialog'
import { Thumbnail } from './thumbnail'

export interface GalleryProps {
  readonly gallery: Pictures
  readonly announce: (text: string) => void
  readonly onReplay: ((metadata: ImageMetadata) => void) | null
  readonly doubt: (metadata: ImageMetadata) => string | null
}

/** Finished pictures, newest first. They are in this browser only. */
export function Gallery({ gallery, announce, onReplay, doubt }: GalleryProps) {
  const [shown, setShown] = useState<GalleryPicture | null>(null)
  const title = useRef<HTMLHeadingElement>(null)
  const { pictures, trouble } = gallery
  const remove = async (id: string) => {
    setShown(null)
    title.current?.focus()
    await gallery.remove(id)
    announce('The picture is deleted.')
  }
  return (
    <section aria-labelledby="gallery-title">
      <h2 id="gallery-title" ref={title} tabIndex={-1}>
        Gallery
      </h2>
      <p class={trouble === null ? 'quiet' : 'error'}>
        {trouble ?? 'Pictures are kept in this browser, until you delete them.'}
      </p>
      <ul class="gallery">
        {pictures.map((picture) => (
          <li key={picture.id}>
            <Thumbnail picture={picture} onOpen={() => setShown(picture)} />
          </li>
        ))}
      </ul>
      {shown !== null && (
        <PictureDialog
          picture={shown}
          doubt={doubt}
          onClose={() => setShown(null)}
          onRemove={() => remove(shown.id)}
          onReplay={onReplay}
        />
      )}
    </section>
  )
}
