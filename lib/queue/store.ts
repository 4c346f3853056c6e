/** Where finished pictures lie: outside of Redis, and where every server and worker sees them. */
import { InvalidArgumentError, StoreError } from '../index'
import { FolderStore } from './store/folder'
import { S3Store } from './store/s3'

export interface PictureStore {
  /** The same for all who see the same pictures. */
  identity(): Promise<string>
  /** Resolves once the picture would outlive the process. */
  put(place: string, data: Uint8Array, mediaType: string): Promise<void>
  /** Null where there is none. */
  get(place: string): Promise<Uint8Array | null>
  /** Safe twice. */
  remove(place: string): Promise<void>
  close(): void
}

/** A folder's path, or `s3://bucket/prefix`. */
export function openStore(setting: string): PictureStore {
  return new TypedStore(setting.startsWith('s3://') ? s3Store(setting) : new FolderStore(setting))
}

function s3Store(setting: string): S3Store {
  const [, bucket, prefix = ''] = /^s3:\/\/([^/]+)\/?(.*?)\/?$/.exec(setting) ?? []
  if (bucket !== undefined) return new S3Store(bucket, prefix)
  throw new InvalidArgumentError(`Expected store to be like s3://bucket/prefix but received '${setting}'`, {
    details: { name: 'store' },
  })
}

/** Whatever goes wrong in a store has one code: it is a machine's fault, and may be over soon. */
class TypedStore implements PictureStore {
  constructor(private readonly store: PictureStore) {}

  identity = () => typed('open', this.store.identity())
  put = (place: string, data: Uint8Array, mediaType: string) =>
    typed('keep a picture', this.store.put(place, data, mediaType))
  get = (place: string) => typed('give a picture', this.store.get(place))
  remove = (place: string) => typed('remove a picture', this.store.remove(place))
  close = () => this.store.close()
}

async function typed<T>(what: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    // What it says may name folders and buckets: that is for the log.
    throw new StoreError(`Expected the store to ${what} but it failed.`, { cause: error })
  }
}
