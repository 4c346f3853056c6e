export interface RedisServer extends AsyncDisposable {
  readonly port: number
  readonly url: string
  readonly folder: string
  readonly pid: number | undefined
  kill(): Promise<void>
  follow(other: RedisServer): Promise<void>
  start(): Promise<void>
}
export function hasRedis(): boolean
export function startRedis(options?: { fsync?: 'always' | 'everysec'; open?: boolean }): Promise<RedisServer>
