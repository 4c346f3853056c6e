export interface RedisServer extends AsyncDisposable {
  readonly port: number
  readonly url: string
  readonly pid: number | undefined
  kill(): Promise<void>
  start(): Promise<void>
}
export function hasRedis(): boolean
export function startRedis(options?: { fsync?: 'always' | 'everysec' }): Promise<RedisServer>
export function freePort(): Promise<number>
