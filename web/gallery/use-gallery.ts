import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import { readMetadata } from '../png/read-text'
import { type GalleryPicture, GalleryStore } from './store'

export interface Gallery {
  readonly pictures: readonly GalleryPicture[]
  /** Why pictures are gone after a reload; null while they are kept. */
  readonly trouble: string | null
  readonly save: (job: string, index: number, png: Blob) => Promise<void>
  readonly remove: (id: string) => Promise<void>
  readonly clear: () => Promise<void>
}

const NOT_KEPT = 'The browser keeps no pictures for this page: download those that you want before you leave.'
const NO_ROOM = 'The browser has no room for more pictures: download and delete some.'

/** The gallery's pictures, newest first, in memory and in the browser's storage. */
export function useGallery(): Gallery {
  const [pictures, setPictures] = useState<readonly GalleryPicture[]>([])
  const [trouble, setTrouble] = useState<string | null>(null)
  const opening = useRef<Promise<GalleryStore | null> | null>(null)
  const store = useCallback(() => {
    opening.current ??= GalleryStore.open().catch(() => {
      setTrouble(NOT_KEPT)
      return null
    })
    return opening.current
  }, [])

  useEffect(() => {
    store()
      .then((opened) => opened?.all())
      .then((kept = []) => setPictures((now) => merged(now, kept)))
  }, [store])

  const save = useCallback(
    async (job: string, index: number, png: Blob) => {
      const bytes = new Uint8Array(await png.arrayBuffer())
      const prompt = readMetadata(bytes)?.prompt ?? ''
      const picture = { id: `${job}/${index}`, at: Date.now(), prompt, png }
      setPictures((now) => merged([picture], now))
      await (await store())?.add(picture).catch(() => setTrouble(NO_ROOM))
    },
    [store],
  )
  const remove = useCallback(
    async (id: string) => {
      setPictures((now) => now.filter((picture) => picture.id !== id))
      await (await store())?.remove(id)
    },
    [store],
  )
  const clear = useCallback(async () => {
    setPictures([])
    await (await store())?.clear()
  }, [store])
  return { pictures, trouble, save, remove, clear }
}

/** Without doubles: what comes once more after a reload stays where it was. */
function merged(
  first: readonly GalleryPicture[],
  second: readonly GalleryPicture[],
): readonly GalleryPicture[] {
  const known = new Set(second.map(({ id }) => id))
  return [...first.filter(({ id }) => !known.has(id)), ...second]
}
