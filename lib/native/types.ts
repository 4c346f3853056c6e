/**
 * The whole contract between TypeScript and C++ (cpp/binding); what it says of kernels is in kernels.ts.
 *
 * Two addons: `loader` knows nothing of libtorch and always loads; `wuerstchen` links libtorch and is loaded after
 * `loader` has opened it. Decisions are made on this side, tensors live on the other; what crosses are handles,
 * numbers and, at the very end, pixels.
 *
 * Every `Promise` here is settled on the JavaScript thread after the work ran on the device's own thread, in the order
 * of the calls. No method blocks. Native errors are `Error`s with one of `NativeErrorCode` as `code`.
 */

import type { Dtype } from '../tensors/dtype'
import type { BlockFacts, NativeKernels } from './kernels'

export type { BlockFacts, Kernels, NativeKernels } from './kernels'
export type { Dtype }

/** Element types of a safetensors file that a parameter can be bound from. */
export type StoredDtype = 'F64' | 'F32' | 'F16' | 'BF16' | 'I64' | 'I32'

export type NativeErrorCode =
  | 'INVALID_ARGUMENT' // a value of the wrong kind crossed the boundary: a bug of ours
  | 'DLOPEN_FAILED' // loader only
  | 'GRAPH_FAILED' // a graph could not be read, or a method of it failed
  | 'WEIGHTS_FAILED' // a weights file could not be mapped, or is shorter than its header says
  | 'OUT_OF_MEMORY'
  | 'DISPOSED' // a handle or device was used after its end
  | 'INTERNAL'

// ---------------------------------------------------------------------------------------------------- loader

export interface NativeLoader {
  /** Opens each library by absolute path, RTLD_NOW | RTLD_LOCAL, in order, for the life of the process. Throws DLOPEN_FAILED. */
  open(paths: readonly string[]): void
  /** Absolute paths of the shared libraries mapped in this process whose file name starts with `prefix`. */
  mapped(prefix: string): string[]
  /** `aoti_torch_abi_version` of the opened libtorch_cpu at `path` as 'major.minor.patch', or null if it has none. */
  torchVersion(path: string): string | null
}

// ---------------------------------------------------------------------------------------------------- engine addon

export interface NativeAddon {
  /** libtorch's version at compile time and at run time, and what the CPU has. */
  readonly versions: { readonly compiled: string; readonly torch: string }
  /** Whether this CPU multiplies bfloat16 (avx512_bf16 or amx_bf16) and float16 natively. */
  readonly cpu: {
    readonly bfloat16: boolean
    readonly float16: boolean
    readonly capability: string
    /** Kinds of CPU with kernels of ours that this one is, the fastest first. */
    readonly kernels: readonly string[]
  }
  /** Starts the thread that owns a device; it and its team keep to `cpus` (Linux). Throws INVALID_ARGUMENT for what is not there. */
  openDevice(options: {
    readonly device: string
    readonly threads: number
    readonly cpus?: readonly number[]
  }): NativeDevice
}

/** Where one tensor lies. */
export interface StoredTensor {
  /** Absolute path of a safetensors file; mapped once however many bindings name it. */
  readonly file: string
  readonly dtype: StoredDtype
  readonly shape: readonly number[]
  /** Absolute offset of the first byte in the file, and length in bytes. */
  readonly offset: number
  readonly bytes: number
}

/** Where in a file something lies that kernels packed. */
export interface PackedTensor {
  readonly name: string
  readonly file: string
  readonly offset: number
  readonly bytes: number
}

/** What a graph's parameter becomes: the stored tensor itself, or what is computed of it in float32. */
export interface WeightBinding extends StoredTensor {
  /** The graph's parameter or buffer. */
  readonly name: string
  /** Moved towards another tensor of its shape: this + weight * (other - this). */
  readonly mix?: { readonly other: StoredTensor; readonly weight: number } | undefined
  /** Low-rank changes, added after that: scale * up @ down. */
  readonly deltas?: readonly WeightDelta[] | undefined
}

export interface WeightDelta {
  /** (out, rank) or (out, rank, 1, 1) */
  readonly up: StoredTensor
  /** (rank, in) or (rank, in, 1, 1) */
  readonly down: StoredTensor
  readonly scale: number
}

/** A tensor on its way in. `data` is copied before the call returns. */
export interface HostTensor {
  readonly dtype: 'float32' | 'int64' // int64 data comes as Int32Array: token ids and masks fit
  readonly shape: readonly number[]
  readonly data: Float32Array | Int32Array
}

/** Rows, channels-first, of any rank. Freed by `dispose()` (safe twice) or by the garbage collector. */
export interface NativeTensor {
  readonly shape: readonly number[]
  dispose(): void
}

/** A method in machine code for this kind of machine, which runs in the graph's place. */
export interface NativeCompiled {
  readonly method: string
  readonly file: string
}

/** Steps that were recorded, and that were replayed. */
export interface StepRecordings {
  readonly recorded: number
  readonly replayed: number
  /** Why none are recorded any more; null while they are. */
  readonly refused: string | null
}

/** A graph with its weights. */
export interface NativeGraph {
  /**
   * Now: bytes of weights, and how many of them are private memory (cast, mixed, changed by a LoRA) rather than the mapped
   * file. Nothing once it is disposed of.
   */
  readonly memory: { readonly weights: number; readonly copied: number }
  /** Why compiled methods could not be loaded, by method: the graph runs in their place. */
  readonly refused: Readonly<Record<string, string>>
  /** Bytes that the tensors of one call took at most, beyond weights and inputs. */
  peakBytes(): number
  /** Bytes of private memory that its kernels keep between calls: packed weights and scratch. */
  kernelBytes(): number
  /** Those that they will keep of blocks whose weights are others than the shared packed ones (`keepPacked`). */
  repackedBytes(): number
  recordings(): StepRecordings
  dispose(): void
}

/**
 * The noise of one seed, drawn on the CPU by torch's generator in diffusers' order: every draw is made for all `rows`
 * at once, (rows, C, H, W), in the order in which one row asks; each row gets its slice of each draw.
 */
export interface NativeNoise {
  /** This row will ask no more: what was kept for it is freed. */
  release(row: number): void
  dispose(): void
}

/** One row of a batch: what it wants to become in the next steps. */
export interface AdvanceRow {
  /** (1, C, H, W) float32; replaced by the advanced latents. */
  readonly latents: NativeTensor
  /** What `condition` returned, each entry with one row. */
  readonly condition: readonly NativeTensor[]
  /** The same for the negative prompt; null when guidance is off. Rows of a batch may differ in this. */
  readonly negative: readonly NativeTensor[] | null
  readonly guidanceScale: number
  /** (S, M): what `modulate` returned for this row's whole schedule. */
  readonly modulation: NativeTensor
  /** Which row of `modulation` the first of these steps uses; the next step uses the next. */
  readonly firstStep: number
  /** Three numbers a step: latents' = c0 * latents + c1 * prediction + c2 * noise. Noise is drawn even when c2 is 0. */
  readonly coefficients: Float32Array
  readonly noise: NativeNoise
  readonly noiseRow: number
  /**
   * Latents of the same shape, to be replaced by what the last prediction says is left without noise, c0 * latents + c1 *
   * prediction with the latents before that step; null for none.
   */
  readonly clean: { readonly latents: NativeTensor; readonly coefficients: Float32Array } | null
}

export interface RebindOptions {
  /** What was there before is wrong: when this fails, the graph refuses to run until these parameters are bound. */
  readonly orRefuse: boolean
}

export interface NativeDevice {
  /**
   * Reads a graph, maps its weights, casts them to `stored` where the file has them otherwise. It computes in `dtype`: the
   * same, or float32 where the device is slow at narrow numbers; then each weight is widened while it is used.
   */
  load(options: {
    readonly graph: string
    readonly weights: readonly WeightBinding[]
    readonly stored: Dtype
    readonly dtype: Dtype
    readonly kernels: NativeKernels | null
    /** Nothing is left out without it. */
    readonly blocks?: BlockFacts | undefined
    readonly compiled?: readonly NativeCompiled[]
    /**
     * Absolute path of a library (cpp/runtime/recorder.h) with which steps are recorded, once for each shape, and replayed;
     * not where kernels of ours run, or where weights come and go.
     */
    readonly recorder?: string
    /** The files are read as they are touched, not ahead. */
    readonly lazy?: boolean
    /** The weights stay on the host; copies of them visit the device, as long as they are prefetched or used. */
    readonly visits?: boolean
  }): Promise<NativeGraph>

  /**
   * Gives some parameters of a loaded graph other values: all of them, or none when it rejects. Where even the former values
   * cannot be had, the graph refuses to run until these parameters are bound.
   */
  rebind(graph: NativeGraph, weights: readonly WeightBinding[], options?: RebindOptions): Promise<void>
  /**
   * Lets go of the pages of a graph's mapped weights, which come back when they are touched, or of their copies on the
   * device; and of memory kept free.
   */
  release(graph: NativeGraph): Promise<void>
  /** Has the system read a graph's mapped weights, or the device copy them, without waiting for it. */
  prefetch(graph: NativeGraph): Promise<void>
  /**
   * From now on a call of this graph holds about `window` bytes of such weights, those that it used last, and reads as
   * many ahead; 0 is no limit. The numbers stay the same.
   */
  limitWeights(graph: NativeGraph, window: number): Promise<void>
  /** Writes a graph's weights, as they are, into a new safetensors file; rejects where one is already. */
  save(graph: NativeGraph, path: string): Promise<void>
  /** The same of what kernels pack of them, a block at a time. */
  savePacked(graph: NativeGraph, path: string): Promise<void>
  /**
   * From now on kernels read what they packed out of that file, mapped, as long as the weights are those that it was made of.
   * Rejects, and changes nothing, where it does not have all of it.
   */
  keepPacked(graph: NativeGraph, packed: readonly PackedTensor[]): Promise<void>

  /**
   * Runs one method of a graph. Floating inputs are cast to the graph's dtype except where the method wants float32
   * (`modulate`). A tensor result comes as an array of one.
   */
  run(
    graph: NativeGraph,
    method: string,
    inputs: readonly (NativeTensor | HostTensor | number)[],
  ): Promise<NativeTensor[]>

  /** `seed` is a safe integer >= 0. torch draws other numbers in each `dtype`; they arrive in float32 whatever it is. */
  noise(options: { readonly seed: number; readonly rows: number; readonly dtype: Dtype }): NativeNoise
  /** Pure noise (1, C, H, W) float32: the first draw of a row in a stage. */
  drawLatents(options: {
    readonly noise: NativeNoise
    readonly noiseRow: number
    readonly shape: readonly [number, number, number]
  }): Promise<NativeTensor>

  /** Advances every row by `steps` steps of one stage, as one batch. All rows share latent shape and condition shapes. */
  advance(options: {
    readonly graph: NativeGraph
    readonly steps: number
    readonly rows: readonly AdvanceRow[]
    /** What predictions and latents are rounded to: float32, unless diffusers' rounding is copied. */
    readonly rounding: Dtype
  }): Promise<void>

  /** scale * tensor + shift, as a new tensor. */
  affine(tensor: NativeTensor, scale: number, shift: number): Promise<NativeTensor>
  /** A slice [row, row + 1) of the first axis, as a new handle on the same memory. */
  row(tensor: NativeTensor, row: number): NativeTensor
  /**
   * For measurements of machines with other cores: from now on calls cut their work for so many threads, and one does it; 0
   * ends that. Returns what was found since the last time: for each region of a call its tasks, its
   * work in operations, and the microseconds of each task.
   * Where tasks do not run they are only counted, and results mean nothing.
   */
  traceTasks(
    threads: number,
    runs: boolean,
  ): Promise<{ readonly shape: readonly number[]; readonly data: Float32Array }>
  /** Runs `decode` of a vqgan and returns 8-bit pixels, rounded half to even, row-major RGB. */
  decode(
    graph: NativeGraph,
    latents: NativeTensor,
  ): Promise<{ readonly data: Uint8Array; readonly width: number; readonly height: number }>

  /** The tensor as float32 on this side. */
  read(tensor: NativeTensor): Promise<{ readonly shape: readonly number[]; readonly data: Float32Array }>
  /** A host tensor on the device. */
  write(tensor: HostTensor): Promise<NativeTensor>

  /** Lets queued work finish, then ends the thread. Later calls reject with DISPOSED. Safe twice. */
  close(): Promise<void>
}
