import { type ExportOptions, exportGraphs } from '../index'
import { say } from './output'

/** `wuerstchen export FOLDER` */
export async function exportModel(
  folder: string,
  flags: Pick<ExportOptions, 'prior' | 'compile' | 'device'> & { readonly out: string },
): Promise<void> {
  const out = await exportGraphs(folder, { ...flags, onLine: (line) => console.error(line) })
  say(out)
}
