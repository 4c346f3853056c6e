import type { GraphEntry } from '../model/manifest'
import type { Dtype, NativeDevice, NativeGraph, NativeTensor } from '../native/types'
import { bytesOf } from '../tensors/dtype'
import { volume } from '../tensors/shape'

/**
 * Which weights a device holds: `'none'`: all of them. `'model'`: those of the network at work. `'sequential'`: about one
 * block of it. The rest stays in its files, and in what the system keeps of them while it has room.
 * A GPU gets copies of what it is to hold.
 */
export type Offload = 'none' | 'model' | 'sequential'

/** A network as residency sees it. */
interface Network {
  readonly graph: NativeGraph
  /** Its largest block, in bytes. */
  readonly window: number
}

/** Whose weights are on the device. Only this moves them; a network is let in before each of its calls. */
export class Residency {
  private readonly networks = new Map<NativeGraph, Network>()
  private resident: NativeGraph | null = null

  constructor(
    private readonly device: NativeDevice,
    readonly offload: Offload,
    /** Whether weights reach the device as copies; else it reads pages of their files. */
    private readonly visits = false,
  ) {}

  /** A network that was loaded; nothing of it is held until it runs. */
  async admit(graph: NativeGraph, window: number): Promise<void> {
    this.networks.set(graph, { graph, window })
    if (this.offload === 'none') return
    if (this.offload === 'sequential') await this.device.limitWeights(graph, window)
    await this.device.release(graph)
  }

  /**
   * `graph` is about to run: whoever was there goes. Nothing is awaited, so that its call is the next that the device gets;
   * a device that is closed says so to that call.
   */
  enter(graph: NativeGraph): void {
    if (this.offload === 'none' || this.resident === graph) return
    if (this.resident !== null) this.device.release(this.resident).catch(() => undefined)
    this.resident = graph
    if (this.offload === 'model') this.device.prefetch(graph).catch(() => undefined)
  }

  /** Bytes of a network's weights that are held now. */
  held(graph: NativeGraph): number {
    const { weights, copied } = graph.memory
    if (this.offload === 'none') return weights
    if (this.resident !== graph) return copied
    return this.offload === 'model' ? weights : copied + this.heldAtMost(graph)
  }

  /** Bytes of a network's mapped weights that its calls hold at most. */
  heldAtMost(graph: NativeGraph): number {
    const mapped = graph.memory.weights - graph.memory.copied
    if (this.offload !== 'sequential') return mapped
    // The block at work. Of the one that comes a device holds copies; pages that are read ahead are the system's until they are used.
    const blocks = this.visits ? 2 : 1
    return Math.min(mapped, blocks * (this.networks.get(graph)?.window ?? mapped))
  }
}

/** `blocks.3.norm.weight` and `down_blocks.1.2.norm.weight` belong to `blocks.3` and `down_blocks.1.2`. */
const BLOCK = /^.*?\.\d+(?:\.\d+)?(?=\.)/

/** Of these a call reads a few rows. */
const TABLE = /embedding\.weight$/

/** Bytes of the largest block of a network: what runs from one place to the next. */
export function largestBlock({ parameters }: Pick<GraphEntry, 'parameters'>, dtype: Dtype): number {
  const blocks = new Map<string, number>()
  for (const { name, shape } of parameters.filter((parameter) => !TABLE.test(parameter.name))) {
    const block = BLOCK.exec(name)?.[0] ?? name
    const bytes = bytesOf(dtype) * volume(shape)
    blocks.set(block, (blocks.get(block) ?? 0) + bytes)
  }
  return Math.max(0, ...blocks.values())
}

/** A device whose networks pass by residency before they run; in all else the device itself. */
export function offloading(device: NativeDevice, residency: Residency): NativeDevice {
  if (residency.offload === 'none') return device
  return {
    load: (options) => device.load(options),
    rebind: (graph, weights, how) => device.rebind(graph, weights, how),
    release: (graph) => device.release(graph),
    prefetch: (graph) => device.prefetch(graph),
    limitWeights: (graph, window) => device.limitWeights(graph, window),
    save: (graph, path) => device.save(graph, path),
    savePacked: (graph, path) => device.savePacked(graph, path),
    keepPacked: (graph, packed) => device.keepPacked(graph, packed),
    run: (graph, method, inputs) => {
      residency.enter(graph)
      return device.run(graph, method, inputs)
    },
    advance: (options) => {
      residency.enter(options.graph)
      return device.advance(options)
    },
    decode: (graph: NativeGraph, latents: NativeTensor) => {
      residency.enter(graph)
      return device.decode(graph, latents)
    },
    noise: (options) => device.noise(options),
    drawLatents: (options) => device.drawLatents(options),
    affine: (tensor, scale, shift) => device.affine(tensor, scale, shift),
    row: (tensor, row) => device.row(tensor, row),
    traceTasks: (threads, runs) => device.traceTasks(threads, runs),
    read: (tensor) => device.read(tensor),
    write: (tensor) => device.write(tensor),
    close: () => device.close(),
  }
}
