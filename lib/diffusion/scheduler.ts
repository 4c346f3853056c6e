/**
 * The noise schedule of Würstchen: diffusers' DDPMWuerstchenScheduler as three numbers a step.
 * Pinned to the reference by test/goldens/scheduler.json.
 */

import { type Rounding, roundTo } from './rounding'

/** scheduler_config.json of DDPMWuerstchenScheduler. */
export interface SchedulerConfig {
  readonly scaler: number
  readonly s: number
}

/** One step of a stage: latents' = latents * x + prediction * eps + noise * z. */
export interface Step {
  /** The row's timestep input, float32. */
  readonly ratio: number
  readonly latents: number
  readonly prediction: number
  /** 0 in a step to timestep 0. Noise is drawn all the same, to keep diffusers' order of draws. */
  readonly noise: number
  /** What the prediction says is left without noise: latents * latents + prediction * prediction. */
  readonly clean: { readonly latents: number; readonly prediction: number }
}

/**
 * `steps` + 1 evenly spaced float32 timesteps from 1 to 0, bit-equal to torch.linspace(1, 0, steps + 1): it counts from
 * the nearer end and rounds once, which `1 - i / steps` does not reproduce.
 */
export function linearTimesteps(steps: number): number[] {
  const stride = Math.fround(-1 / steps)
  const half = Math.floor((steps + 1) / 2)
  return Array.from({ length: steps + 1 }, (_, i) =>
    i < half ? Math.fround(1 + stride * i) : Math.fround((steps - i) * -stride),
  )
}

/** numpy.linspace(start, stop, count) in float64, bit for bit. */
function linspace(start: number, stop: number, count: number): number[] {
  const stride = (stop - start) / (count - 1)
  return Array.from({ length: count }, (_, i) => (i === count - 1 ? stop : start + stride * i))
}

function stageCTimesteps(coarse: number): readonly number[] {
  return Object.freeze([...linspace(1, 2 / 3, coarse), ...linspace(2 / 3, 0, 11).slice(1)])
}

/** diffusers' DEFAULT_STAGE_C_TIMESTEPS: 30 values, 29 steps. */
export const DEFAULT_STAGE_C_TIMESTEPS = stageCTimesteps(20)

/** The authors' own schedule, 20 steps to 2/3 and 10 to 0: 31 values, one step more than diffusers' list. */
export const OFFICIAL_STAGE_C_TIMESTEPS = stageCTimesteps(21)

/** How much of the picture's variance is left at time t: a clamped cosine, from 0.9999 at 0 to 0.0001 at 1. */
export function alphaCumprod(t: number, { scaler, s }: SchedulerConfig): number {
  const angle = (time: number) => (((time + s) / (1 + s)) * Math.PI) / 2
  const alpha = Math.cos(angle(scale(t, scaler))) ** 2 / Math.cos(angle(0)) ** 2
  return Math.min(Math.max(alpha, 0.0001), 0.9999)
}

function scale(t: number, scaler: number): number {
  return scaler > 1 ? 1 - (1 - t) ** scaler : t ** scaler
}

function step(from: number, to: number, config: SchedulerConfig, ratio = from): Step {
  const now = alphaCumprod(from, config)
  const next = alphaCumprod(to, config)
  const alpha = now / next
  const latents = Math.sqrt(1 / alpha)
  return {
    ratio,
    latents,
    prediction: -(latents * (1 - alpha)) / Math.sqrt(1 - now),
    clean: { latents: 1 / Math.sqrt(now), prediction: -Math.sqrt((1 - now) / now) },
    noise: to === 0 ? 0 : Math.sqrt(((1 - alpha) * (1 - next)) / (1 - now)),
  }
}

/** The steps between consecutive timesteps, which are read as float32, as diffusers keeps them. */
export function schedule(timesteps: readonly number[], config: SchedulerConfig): readonly Step[] {
  const times = timesteps.map(Math.fround)
  return times.slice(1).map((to, i) => step(times[i] as number, to, config))
}

/**
 * The same as diffusers takes them in a narrow dtype: the timestep is rounded first. The next one is the neighbour of
 * whichever is nearest to it. The network's `timestep * 10000` is rounded again. With
 * more than 256 steps bfloat16 finds wrong neighbours, and so do we here.
 */
export function scheduleAsDiffusers(
  timesteps: readonly number[],
  config: SchedulerConfig,
  dtype: Rounding,
): readonly Step[] {
  const times = timesteps.map(Math.fround)
  return times.slice(0, -1).map((exact) => {
    const from = roundTo(exact, dtype)
    const distances = times.map((time) => Math.abs(Math.fround(time - from)))
    const nearest = distances.indexOf(Math.min(...distances))
    const to = times[nearest + 1] ?? 0
    return step(from, to, config, roundTo(from * MAX_POSITIONS, dtype) / MAX_POSITIONS)
  })
}

/** What a network multiplies its timestep by before it takes sines and cosines of it. */
const MAX_POSITIONS = 10_000
