/** Where what an arm64 machine would have lies, for tests under qemu. */
import { join } from 'node:path'
import { at } from '../tooling/places.mjs'

export const ARM64 = at('.arm64')
/** torch's wheel for arm64, unpacked as far as a build needs it: lib/, include/, version.py. */
export const ARM64_LIBTORCH = join(ARM64, 'torch')
/** The same for the CPU alone, to run with. */
export const ARM64_RUNTIME = join(ARM64, 'libtorch')
export const ARM64_NODE = join(ARM64, 'node', 'bin', 'node')
/** Files that programs under qemu see in place of the machine's: the system's libraries, Arm's description of its CPU. */
export const ARM64_ROOT = join(ARM64, 'root')
