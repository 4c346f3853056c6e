import { shownPath } from '../files/shown-path'
import { type PullOptions, pullModel } from '../index'
import { interruptSignal } from './exit'
import { showProgress } from './progress'

type PullFlags = Pick<PullOptions, 'prior' | 'revision' | 'variant' | 'token' | 'cacheDir'> & {
  readonly json?: boolean
  readonly quiet?: boolean
}

/** `wuerstchen pull ID` */
export async function pull(model: string, flags: PullFlags): Promise<void> {
  const { prior, revision, variant, token, cacheDir } = flags
  const progress = await showProgress(1, { quiet: flags.quiet ?? false })
  try {
    const folders = await pullModel(model, {
      prior,
      revision,
      variant,
      token,
      cacheDir,
      signal: interruptSignal(),
      onProgress: (arrived) => progress.load(arrived),
    })
    progress.print(
      flags.json
        ? JSON.stringify(folders)
        : [folders.decoder, folders.prior].map((folder) => shownPath(String(folder))).join('\n'),
    )
  } finally {
    progress.stop()
  }
}
