import { exportGraphs } from '../index'

/** `wuerstchen export FOLDER` */
export async function exportModel(
  folder: string,
  flags: { readonly prior?: string; readonly out: string },
): Promise<void> {
  const out = await exportGraphs(folder, { ...flags, onLine: (line) => console.error(line) })
  console.log(out)
}
