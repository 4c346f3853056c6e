/** Where what an arm64 machine would have lies, for builds and for tests under qemu. */
import { join } from 'node:path'
import { at } from '../tooling/places.mjs'

export const ARM64 = at('.arm64')
/** torch's wheel for arm64, unpacked as far as a build and a run without a GPU need it: lib/, include/, version.py. */
export const ARM64_LIBTORCH = join(ARM64, 'torch')
/** The same with stand-ins for CUDA's libraries, to run with. */
export const ARM64_RUNTIME = join(ARM64, 'libtorch')
/** Runs arm64's Node under qemu; the program itself is beside it. */
export const ARM64_NODE = join(ARM64, 'node', 'bin', 'arm64-node')
/** What programs under qemu see in place of the machine's: the system's libraries, Arm's description of its CPU. */
export const ARM64_ROOT = join(ARM64, 'root')
/** A copy of this checkout with arm64's packages and addons. */
export const ARM64_CHECKOUT = join(ARM64, 'checkout')
