/** Where finished pictures lie: outside of Redis, and where every server and worker sees them. */
import { isNativeError } from 'node:util/types'
import { InvalidArgumentError, StoreError } from '../index'
import { FolderStore } from './store/folder'
import { S3Store } from './store/s3'

export interface PictureStore {
  /** The same for all who see the same pictures. */
  identity(): Promise<string>
  /** Resolves once the picture would outlive the process. Where `data` rejects, that is what this rejects with. */
  put(place: string, data: Promise<Uint8Array>, mediaType: string): Promise<void>
  /** Null where there is none. */
  get(place: string): Promise<Uint8Array | null>
  /** Safe twice. */
  remove(place: string): Promise<void>
  close(): void
}

/** A folder's path, or `s3://bucket/prefix`. */
export function openStore(setting: string): PictureStore {
  return new TypedStore(setting.startsWith('s3://') ? s3Store(setting) : new FolderStore(setting), setting)
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
  constructor(
    private readonly store: PictureStore,
    private readonly setting: string,
  ) {}

  identity = () => this.typed('open', this.store.identity())
  put = (place: string, data: Promise<Uint8Array>, mediaType: string) => {
    data.catch(() => undefined) // it may reject before anyone waits for it
    return this.typed(`keep ${place}`, this.store.put(place, data, mediaType), data)
  }
  get = (place: string) => this.typed(`give ${place}`, this.store.get(place))
  remove = (place: string) => this.typed(`remove ${place}`, this.store.remove(place))
  close = () => this.store.close()

  /** Its message names folders and buckets: that is for the log, and clients get another one (`jobErrorOf()`). */
  private async typed<T>(what: string, work: Promise<T>, given?: Promise<unknown>): Promise<T> {
    try {
      return await work
    } catch (error) {
      await given // its error is none of the store's
      const { setting: store } = this
      throw new StoreError(`Expected store '${store}' to ${what} but received ${reasonOf(error)}`, {
        cause: error,
        details: { store },
      })
    }
  }
}

interface Failure {
  readonly name: string
  readonly message: string
  readonly code?: unknown
  /** Of a connection that was tried at several addresses. */
  readonly errors?: readonly unknown[]
  /** Of an answer of S3. */
  readonly $metadata?: { readonly httpStatusCode?: number }
}

function reasonOf(error: unknown): string {
  if (!isNativeError(error)) return String(error)
  const { name, message, code, errors = [], $metadata } = error as Failure
  if (errors.length > 0) return [...new Set(errors.map(reasonOf))].join('; ')
  const kind = String(name === 'Error' ? (code ?? '') : name)
  const words = message.includes(kind) ? message : `${kind}: ${message}`
  const status = $metadata?.httpStatusCode
  return status === undefined ? words : `${words} (HTTP ${status})`
}
