import { type DBSchema, type IDBPDatabase, openDB } from 'idb'

/** A finished picture. Its settings are in the PNG itself. */
export interface GalleryPicture {
  /** Job and index: a picture that comes twice is kept once. */
  readonly id: string
  /** Milliseconds since 1970. */
  readonly at: number
  readonly prompt: string
  readonly png: Blob
}

interface Schema extends DBSchema {
  pictures: { key: string; value: GalleryPicture; indexes: { at: number } }
}

/** Pictures in the browser's IndexedDB: they outlive a reload and the server. Nothing of them goes anywhere. */
export class GalleryStore {
  private constructor(private readonly database: IDBPDatabase<Schema>) {}

  /** @throws what the browser says where a page may keep nothing, as in some private windows. */
  static async open(): Promise<GalleryStore> {
    const database = await openDB<Schema>('wuerstchen', 1, {
      upgrade(created) {
        created.createObjectStore('pictures', { keyPath: 'id' }).createIndex('at', 'at')
      },
    })
    return new GalleryStore(database)
  }

  /** Newest first. */
  async all(): Promise<GalleryPicture[]> {
    return (await this.database.getAllFromIndex('pictures', 'at')).reverse()
  }

  /** One that is there already stays as it is. */
  async add(picture: GalleryPicture): Promise<void> {
    if ((await this.database.getKey('pictures', picture.id)) === undefined)
      await this.database.put('pictures', picture)
  }

  async remove(id: string): Promise<void> {
    await this.database.delete('pictures', id)
  }

  async clear(): Promise<void> {
    await this.database.clear('pictures')
  }
}
