import type { Footprint, Level } from '../model/footprint'
import { STAGES, type Stage } from '../stages/stage'
import type { Picture } from './picture'

/** How networks run, as far as their tensors' sizes go. */
export interface Computing {
  /** Bytes of a number of a map: of the type that is computed in. */
  readonly numberBytes: number
  /** Whether blocks run on kernels of ours, whose wide layers are fewer; Stage A then runs in strips where its widths fit. */
  readonly kernels: boolean
  readonly threads: number
}

/** How Stage A is cut into strips (cpp/runtime/blocks/picture_decoder.cc, strips.h). */
const STRIP = { cells: 1024, cellsPerThread: 32, kept: 4 } as const
/** Numbers of a latent cell, times how often latents are there: scaled, and in another order. */
const LATENT_COPIES = 3 * 4
/** Bytes of a picture's pixel. */
const PIXEL = 3
/** Of a cell, kept beside its channels: its mean and deviation, in float32. */
const STATISTICS_BYTES = 8

/** Keys and values of a text for each attention: a picture's own, and those of its batch. */
const TEXTS = 2 * 2

/** Channels that kernels take at a time. Levels of other widths stay the graph's. */
const PANEL = 32

/*
 * All factors count maps of a stage: of its level that has most numbers, for each row of a picture. They were measured with v2's
 * widths (`npm run bench:memory`).
 */

/**
 * Maps that a step holds at once: a block's input, and its channel mixer's, four times as wide, before and after the activation.
 * The decoder's convolutions between kernels take three more for themselves, which nobody counts.
 */
const AT_ONCE = {
  graph: { prior: 10, decoder: 13, vqgan: 9.5 },
  kernels: { prior: 9, decoder: 10.9, vqgan: 2.2 },
} as const

/** Of these, what kernels keep from one call to the next, as long as weights stay, too. */
const KEPT_BY_KERNELS = { prior: 8, decoder: 6.5, vqgan: 0 } as const

/**
 * Maps that the allocator keeps for itself after libtorch has freed them, holes among them: those that are smaller than what it
 * takes from the system one by one.
 */
const IN_HEAP = {
  graph: { prior: 16, decoder: 40, vqgan: 15 },
  kernels: { prior: 4, decoder: 4.1, vqgan: 1.5 },
} as const

/** Bytes from which glibc takes each tensor from the system, and gives it back; below, it may keep it. */
const HEAP_LIMIT = 32 * 2 ** 20

/** What of a picture's tensors a stage holds, in bytes. */
export class Maps {
  constructor(
    private readonly footprint: Footprint,
    private readonly computing: Readonly<Record<Stage, Computing>>,
  ) {}

  /** Those of a step, and those that are kept between steps. */
  all(stage: Stage, picture: Picture): number {
    return this.step(stage, picture) + this.kept(stage, picture)
  }

  /** Those that live for one step only. */
  step(stage: Stage, picture: Picture): number {
    if (stage === 'vqgan' && this.inStrips()) return this.strips(picture)
    const held = this.sizes(stage, picture).map(({ bytes, mode }) => AT_ONCE[mode][stage] * bytes)
    return Math.max(...held)
  }

  private inStrips(): boolean {
    return (
      this.computing.vqgan.kernels &&
      this.footprint.vqgan.levels.every(({ channels }) => channels % PANEL === 0)
    )
  }

  /** What Stage A's layers keep of their rows while it runs in strips, and the picture itself. */
  private strips({ sizes }: Picture): number {
    const { levels, blocks } = this.footprint.vqgan
    const { numberBytes, threads } = this.computing.vqgan
    const { latentHeight, latentWidth, pixelHeight, pixelWidth } = sizes
    const rows = Math.ceil(Math.max(STRIP.cells, STRIP.cellsPerThread * threads) / latentWidth)
    const cells = latentWidth * Math.min(latentHeight, STRIP.kept * rows)
    const kept = levels.map(({ channels, scale }, level) => {
      const maps = level === 0 ? 1 + blocks : 2 // what comes into a level, and what its blocks make
      return maps * cells * scale ** 2 * (numberBytes * channels + STATISTICS_BYTES)
    })
    const latents = LATENT_COPIES * numberBytes * latentHeight * latentWidth
    return sum(kept) + latents + PIXEL * pixelHeight * pixelWidth
  }

  /** Conditions: a picture that has begun a stage holds them between its steps, too; a batch holds them joined once more. */
  kept(stage: Stage, picture: Picture): number {
    const { numberBytes, kernels } = this.computing[stage]
    const { sizes, tokens } = picture
    if (stage === 'vqgan') return 0
    const rows = picture[stage].guided ? 2 : 1
    if (stage === 'prior') {
      const { channels, attentions } = this.footprint.prior
      return rows * numberBytes * TEXTS * tokens * channels * attentions
    }
    const { levels, maps, mapChannels, imageChannels, attentionChannels } = this.footprint.decoder
    const cells = sizes.latentHeight * sizes.latentWidth
    const read = 3 * (kernels ? imageChannels : mapChannels) // down, up, and once more in a batch
    const numbers = levels.map(
      ({ channels, scale }, level) => (channels + (maps[level] ? read : 0)) * cells * scale ** 2,
    )
    return rows * numberBytes * (sum(numbers) + TEXTS * tokens * attentionChannels)
  }

  /** What kernels of the other stages keep meanwhile, where nothing is offloaded. */
  ofOthers(stage: Stage, picture: Picture): number {
    const others = STAGES.filter((other) => other !== stage)
    const kept = others.map((other) => {
      const ours = this.sizes(other, picture).filter(({ mode }) => mode === 'kernels')
      return KEPT_BY_KERNELS[other] * mostOf(ours)
    })
    return sum(kept)
  }

  /** What the allocator keeps of these stages' tensors beside those that are in use. */
  inHeap(stages: readonly Stage[], picture: Picture): number {
    return sum(
      stages.map((stage) => {
        const small = this.sizes(stage, picture).filter(({ bytes }) => bytes < HEAP_LIMIT)
        return IN_HEAP[this.computing[stage].kernels ? 'kernels' : 'graph'][stage] * mostOf(small)
      }),
    )
  }

  /** A map of each level, for all rows of a picture, and what computes it. */
  private sizes(stage: Stage, picture: Picture): MapSize[] {
    const { sizes, tokens } = picture
    const { numberBytes, kernels } = this.computing[stage]
    const of = (channels: number, cells: number, rows: number): MapSize => ({
      bytes: rows * numberBytes * channels * cells,
      mode: kernels && channels % PANEL === 0 ? 'kernels' : 'graph',
    })
    const cells = sizes.latentHeight * sizes.latentWidth
    const ofLevels = (levels: readonly Level[], rows: number) =>
      levels.map(({ channels, scale }) => of(channels, cells * scale ** 2, rows))
    if (stage === 'vqgan') return ofLevels(this.footprint.vqgan.levels, 1)
    const rows = picture[stage].guided ? 2 : 1
    if (stage === 'decoder') return ofLevels(this.footprint.decoder.levels, rows)
    return [of(this.footprint.prior.channels, sizes.priorHeight * sizes.priorWidth + tokens, rows)]
  }
}

interface MapSize {
  readonly bytes: number
  readonly mode: 'kernels' | 'graph'
}

function mostOf(sizes: readonly MapSize[]): number {
  return Math.max(0, ...sizes.map(({ bytes }) => bytes))
}

export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
