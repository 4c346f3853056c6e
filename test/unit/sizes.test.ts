import fc from 'fast-check'
import { latentSizes, type ModelGeometry } from '../../lib/diffusion/sizes'
import golden from '../goldens/sizes.json'

const V2: ModelGeometry = {
  resolutionMultiple: 42.67,
  latentStride: 4,
  multiple: 64,
  priorChannels: 16,
  latentChannels: 4,
  defaultWidth: 1024,
  defaultHeight: 1024,
}
const BUNDLED: ModelGeometry = { ...V2, latentStride: 8, defaultWidth: 256, defaultHeight: 256 }

describe('latentSizes()', () => {
  it("is diffusers' for every multiple of 128 up to 4096", () => {
    expect(golden.sizes).toHaveLength(32)
    for (const { pixels, prior, latents } of golden.sizes) {
      const sizes = latentSizes({ width: pixels, height: 128 }, V2)
      expect(sizes).toMatchObject({
        priorWidth: prior,
        latentWidth: latents,
        priorHeight: 3,
        latentHeight: 32,
      })
    }
  })

  it('does not confuse width and height', () => {
    expect(latentSizes({ width: 1536, height: 1024 }, V2)).toEqual({
      pixelWidth: 1536,
      pixelHeight: 1024,
      priorWidth: 36,
      priorHeight: 24,
      latentWidth: 384,
      latentHeight: 256,
      crop: { left: 0, top: 0, width: 1536, height: 1024 },
    })
  })

  it('has latents at an eighth in the bundled model', () => {
    expect(latentSizes({ width: 256, height: 320 }, BUNDLED)).toMatchObject({
      priorWidth: 6,
      priorHeight: 7,
      latentWidth: 32,
      latentHeight: 40,
    })
  })

  it('generates more than was asked for and cuts out the middle', () => {
    expect(latentSizes({ width: 1000, height: 65 }, V2)).toMatchObject({
      pixelWidth: 1024,
      pixelHeight: 128,
      crop: { left: 12, top: 31, width: 1000, height: 65 },
    })
  })

  it('always covers the request, in whole cells of the decoder, with a prior grid of its shape', () => {
    const pixels = fc.integer({ min: 1, max: 4096 })
    fc.assert(
      fc.property(pixels, pixels, fc.constantFrom(V2, BUNDLED), (width, height, model) => {
        const { pixelWidth, pixelHeight, latentWidth, latentHeight, priorWidth, priorHeight, crop } =
          latentSizes({ width, height }, model)
        expect([pixelWidth % model.multiple, pixelHeight % model.multiple]).toEqual([0, 0])
        expect(crop.left + width).toBeLessThanOrEqual(pixelWidth)
        expect(crop.top + height).toBeLessThanOrEqual(pixelHeight)
        expect(pixelWidth - width).toBeLessThan(model.multiple)
        expect([latentWidth * model.latentStride, latentHeight * model.latentStride]).toEqual([
          pixelWidth,
          pixelHeight,
        ])
        expect(Math.abs(priorWidth * model.resolutionMultiple - pixelWidth)).toBeLessThan(
          model.resolutionMultiple,
        )
        expect(priorHeight).toBeGreaterThanOrEqual(1)
      }),
    )
  })
})
