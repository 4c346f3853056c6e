import type { GalleryPicture } from '../gallery/store'
import { useAddress } from '../gallery/use-address'

/** A picture of the gallery; it opens. */
export function Thumbnail({ picture, onOpen }: { picture: GalleryPicture; onOpen: () => void }) {
  const address = useAddress(picture.png)
  return (
    <button type="button" class="thumbnail" onClick={onOpen}>
      <img src={address} alt={`Open: ${picture.prompt}`} loading="lazy" />
    </button>
  )
}
