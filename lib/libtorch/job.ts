/** What one installation is told, and what it tells. */

import type { Build } from './builds'
import type { Flavour } from './flavours'

/** Bytes of one step of an installation. */
export interface RuntimeProgress {
  readonly type: 'runtime'
  readonly step: 'download' | 'verify' | 'unpack'
  readonly done: number
  readonly total: number
}

export interface Installation {
  /** Of the folder of runtimes. */
  readonly folder: string
  /** Defaults to what fits this machine. */
  readonly flavour?: Flavour | undefined
  readonly from?: string | undefined
  readonly mirror?: string | undefined
  /** Of an archive that the table does not know. */
  readonly sha256?: string | undefined
  /** `major.minor` of the libtorch that this package runs with; null accepts any. */
  readonly required: readonly string[] | null
  readonly dryRun?: boolean | undefined
  readonly signal: AbortSignal
  readonly onProgress: (progress: RuntimeProgress) => void
  /** What tests give other answers to. */
  readonly builds?: readonly Build[] | undefined
  readonly freeBytes?: ((folder: string) => Promise<number>) | undefined
  readonly silenceMs?: number | undefined
}
