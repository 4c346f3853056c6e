/** One file to download: where from, where to, and what it must be. */
export interface Wanted {
  readonly url: URL
  /** For messages and progress. */
  readonly name: string
  /** Bytes. */
  readonly size: number
  /** 64 hexadecimal digits are a sha256, 40 git's own hash (sha1). */
  readonly hash: string
  /** Absolute path of the finished file; parts lie beside it. */
  readonly target: string
}
