/** Which compiled methods of a network are used. They are made for one kind of machine, and not everywhere they win. */
import { readRegular } from '../files/open'
import type { Offload } from '../memory/residency'
import { type CompiledEntry, type Graph, sha256 } from '../model/graphs'
import type { NativeRuntime } from '../native/binding'
import type { NativeCompiled, NativeKernels } from '../native/types'
import type { Dtypes } from './dtypes'

/** A method in machine code that was found beside a network's graph. */
export interface CompiledMethod extends NativeCompiled {
  readonly method: string
  readonly file: string
  /** Why the graph runs instead; null if it does not. */
  readonly ignored: string | null
}

/** How a network is going to run. */
export interface Running extends Dtypes {
  readonly device: string
  readonly kernels: NativeKernels | null
  readonly offload: Offload
}

/** Everything that is compiled of a network, with what speaks against it. */
export async function chooseCompiled(
  { compiled }: Graph,
  running: Running,
  runtime: NativeRuntime,
): Promise<readonly CompiledMethod[]> {
  return Promise.all(
    compiled.map(async ({ path, entry }) => ({
      method: entry.method,
      file: path,
      ignored: reasonAgainst(entry, running, runtime) ?? (await damage(path, entry)),
    })),
  )
}

function reasonAgainst(
  entry: CompiledEntry,
  { device, stored, dtype, rounding, kernels, offload }: Running,
  { addon }: NativeRuntime,
): string | null {
  const kind = device.split(':')[0]
  if (entry.device !== kind) return `made for ${entry.device}, the device is ${kind}`
  if (entry.dtype !== dtype) return `made for ${entry.dtype}, the networks compute in ${dtype}`
  if (stored !== dtype) return `the weights are held in ${stored} and widened where they are read`
  if (rounding !== 'float32') return "parity with diffusers is the graph's: what is compiled rounds elsewhere"
  if (offload !== 'none') return `offload '${offload}' lets weights go while a step runs`
  if (kind === 'cpu' && entry.capability !== addon.cpu.capability)
    return `made for a CPU with ${entry.capability}, this one has ${addon.cpu.capability}`
  if (entry.torch !== addon.versions.torch)
    return `made by torch ${entry.torch}, this is libtorch ${addon.versions.torch}`
  if (kernels !== null) return 'the kernels of this package are faster'
  return null
}

/** A package is code, too: one that is not the file the manifest describes does not run. */
async function damage(path: string, { sha256: expected }: CompiledEntry): Promise<string | null> {
  const data = await readRegular(path).catch((cause: Error) => ({ cause }))
  if ('cause' in data) return `it cannot be read: ${data.cause.message}`
  return sha256(data) === expected ? null : 'it is not the file that its manifest describes'
}
