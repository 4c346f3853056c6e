/** How the blocks of a graph run on kernels of our own: what the native side is told of it. */

/** What a manifest says of a graph's blocks, by their paths in it: kernels of ours leave out what is no work. */
export interface BlockFacts {
  /** The blocks up to the first that reads the text: until then rows of guidance are copies of others. */
  readonly beforeText: readonly string[]
  /** Of a level, such as `down_blocks.1`, the linear map of the image embeddings that its blocks read. */
  readonly mappers: Readonly<Record<string, string>>
}

/** What a user may choose of it: see `PipelineOptions.kernels`. */
export type Kernels = 'packed' | 'shared' | 'mapped' | 'off'

/** How the blocks of a graph run on kernels of our own, where the CPU and the dtype have them. */
export interface NativeKernels {
  /** The kind of CPU that they are for: one of `cpu.kernels`. */
  readonly kind: string
  /**
   * Weights are brought into the kernels' layout, in private memory, when they are first used. `full`: in the numbers that
   * are computed with. `int8`: rounded to 8 bits, and what they are multiplied with to 16. `bytes`: both to 8. `none`: they
   * are read as they lie.
   */
  readonly pack: 'none' | 'full' | 'int8' | 'bytes'
  /** What is packed is kept in a file, which processes share. Not set where it is not, as of what packs nothing or little. */
  readonly shared?: true
  /**
   * For comparisons: classes of blocks that the graph runs itself. Also `collapse` for Stage B's image embeddings, `copies` for
   * guided rows before Stage C's first attention.
   */
  readonly without: readonly string[]
}
