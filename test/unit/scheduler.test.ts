import { type Rounding, roundTo } from '../../lib/diffusion/rounding'
import {
  alphaCumprod,
  DEFAULT_STAGE_C_TIMESTEPS,
  linearTimesteps,
  OFFICIAL_STAGE_C_TIMESTEPS,
  schedule,
  scheduleAsDiffusers,
} from '../../lib/diffusion/scheduler'
import golden from '../goldens/scheduler.json'

interface Case {
  steps?: number
  timesteps?: number[]
  scaler?: number
  s?: number
  ratios: number[]
  coefficients: number[][]
  float32: number[][]
}

const cases = (golden.cases as Case[]).map((one) => ({
  ...one,
  config: { scaler: one.scaler ?? 1, s: one.s ?? 0.008 },
  name: `${one.steps ?? 'custom'} steps, scaler ${one.scaler ?? 1}, s ${one.s ?? 0.008}`,
}))

function stepsOf(one: (typeof cases)[number]) {
  return schedule(one.timesteps ?? linearTimesteps(one.steps as number), one.config)
}

describe('linearTimesteps()', () => {
  it('equals torch.linspace in every bit', () => {
    for (const one of cases.filter(({ steps }) => steps)) {
      expect(linearTimesteps(one.steps as number)).toEqual(one.ratios)
    }
  })

  it('adds up to torch.linspace for every count from 1 to 1000', () => {
    expect(golden.linspace_sums).toHaveLength(1000)
    golden.linspace_sums.forEach((wanted, i) => {
      expect(linearTimesteps(i + 1).reduce((sum, t) => sum + t, 0)).toBeCloseTo(wanted, 9)
    })
  })

  it('starts at 1 and ends at 0, not at -0', () => {
    for (const steps of [1, 2, 3, 60, 1000]) {
      const timesteps = linearTimesteps(steps)
      expect(timesteps[0]).toBe(1)
      expect(timesteps[steps]).toBe(0)
    }
  })
})

describe('DEFAULT_STAGE_C_TIMESTEPS', () => {
  it("is diffusers' list in every bit", () => {
    expect(DEFAULT_STAGE_C_TIMESTEPS).toEqual(golden.default_stage_c_timesteps)
    expect(DEFAULT_STAGE_C_TIMESTEPS).toHaveLength(30)
  })

  it('cannot be changed', () => {
    expect(Object.isFrozen(DEFAULT_STAGE_C_TIMESTEPS)).toBe(true)
  })
})

describe('OFFICIAL_STAGE_C_TIMESTEPS', () => {
  it('takes 20 steps to 2/3 and 10 to 0', () => {
    expect(OFFICIAL_STAGE_C_TIMESTEPS).toHaveLength(31)
    expect(OFFICIAL_STAGE_C_TIMESTEPS[20]).toBe(2 / 3)
    expect(OFFICIAL_STAGE_C_TIMESTEPS[30]).toBe(0)
  })
})

describe('alphaCumprod()', () => {
  it("equals diffusers' cosine, clamped at both ends", () => {
    golden.alphas.forEach((wanted, i) => {
      expect(alphaCumprod(i / 20, { scaler: 1, s: 0.008 })).toBeCloseTo(wanted, 13)
    })
    expect(alphaCumprod(0, { scaler: 1, s: 0.008 })).toBe(0.9999)
    expect(alphaCumprod(1, { scaler: 1, s: 0.008 })).toBe(0.0001)
  })
})

describe('schedule()', () => {
  it.each(cases)("equals diffusers' scheduler: $name", (one) => {
    const steps = stepsOf(one)
    expect(steps).toHaveLength(one.coefficients.length)
    steps.forEach((step, i) => {
      const [latents, prediction, noise] = one.coefficients[i] as [number, number, number]
      expect(step.ratio).toBe(one.ratios[i])
      expect(Math.abs(step.latents / latents - 1)).toBeLessThan(1e-10)
      expect(Math.abs(step.prediction - prediction)).toBeLessThan(1e-10 * (1 + Math.abs(prediction)))
      expect(Math.abs(step.noise - noise)).toBeLessThan(1e-10)
    })
  })

  it.each(cases)('stays within what float32 rounding allows of the numbers diffusers uses: $name', (one) => {
    stepsOf(one).forEach((step, i) => {
      const [latents, prediction, noise] = one.float32[i] as [number, number, number]
      expect(Math.abs(step.latents / latents - 1)).toBeLessThan(2e-5)
      expect(Math.abs(step.prediction - prediction)).toBeLessThan(2e-5 * (1 + Math.abs(prediction)))
      expect(Math.abs(step.noise - noise)).toBeLessThan(5e-5)
    })
  })

  it('adds noise in every step but the one to 0', () => {
    const steps = schedule([1, 0.5, 0], { scaler: 1, s: 0.008 })
    expect(steps.map(({ noise }) => noise > 0)).toEqual([true, false])
  })
})

describe('scheduleAsDiffusers()', () => {
  it.each(golden.narrow)(
    'rounds as diffusers does in $dtype: $steps steps',
    ({ steps, dtype, scaled, float32 }) => {
      const config = { scaler: 1, s: 0.008 }
      const made = scheduleAsDiffusers(linearTimesteps(steps), config, dtype as Rounding)
      expect(made).toHaveLength(scaled.length)
      made.forEach((step, i) => {
        const wanted = scaled[i] as number // in the float32 that the ratio travels in, to its last bit
        expect(Math.abs(step.ratio * 10_000 - wanted)).toBeLessThanOrEqual(1.2e-7 * wanted)
        const [latents, prediction, noise] = float32[i] as [number, number, number]
        expect(Math.abs(step.latents / latents - 1)).toBeLessThan(2e-5)
        expect(Math.abs(step.prediction - prediction)).toBeLessThan(2e-5 * (1 + Math.abs(prediction)))
        expect(Math.abs(step.noise - noise)).toBeLessThan(1e-4)
      })
    },
  )
})

describe('roundTo()', () => {
  it('rounds half to even, in normal and subnormal numbers', () => {
    expect(roundTo(1 + 2 ** -8, 'bfloat16')).toBe(1)
    expect(roundTo(1 + 3 * 2 ** -8, 'bfloat16')).toBe(1 + 2 ** -6)
    expect(roundTo(-0.1, 'bfloat16')).toBe(-0.10009765625)
    expect(roundTo(0.1, 'float16')).toBe(0.0999755859375)
    expect(roundTo(3 * 2 ** -25, 'float16')).toBe(2 ** -23)
    expect(roundTo(0.1, 'float32')).toBe(Math.fround(0.1))
    expect(roundTo(0, 'float16')).toBe(0)
  })
})
