/** What is promised of a picture that shares its batches with others. */
import { loadRuntime } from '../../lib/native/binding'

/** Whether this CPU, or what WUERSTCHEN_CPU takes it for, has kernels of ours. libtorch's own products order their sums by the number of rows. */
export const hasKernels = loadRuntime({}).cpu.kind !== 'baseline'

/** How far a picture may be from itself alone: by no bit on our kernels, by one level of 255 without. */
export const COMPANY_LEVELS = hasKernels ? 0 : 1
