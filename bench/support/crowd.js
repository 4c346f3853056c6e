'use strict'
// Requests for many pictures of the bundled model: the same ones in every run.

/** Numbers in [0, 1) that are the same in every run. */
function random(seed) {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

/** A picture of 256x256 in 20 + 12 steps, or what `options` say. */
function request(options) {
  return {
    prompt: 'a red circle on a blue background',
    options: {
      width: 256,
      height: 256,
      priorNumInferenceSteps: 20,
      priorGuidanceScale: 4,
      numInferenceSteps: 12,
      decoderGuidanceScale: 0,
      ...options,
    },
  }
}

/** Sizes that diffusers does not crash on, steps and captions at random; `aborted` is the part whose client loses interest. */
function mix(count, seed, aborted = 0) {
  const next = random(seed)
  const pick = (list) => list[Math.floor(next() * list.length)]
  return Array.from({ length: count }, (_, index) => ({
    prompt: `a ${pick(['large', 'small'])} ${pick(['red', 'green', 'yellow', 'purple'])} ${pick(['circle', 'star', 'house'])} on a ${pick(['blue', 'white', 'grey'])} background`,
    options: {
      seed: index,
      ...pick([
        { width: 256, height: 256 },
        { width: 256, height: 256 },
        { width: 256, height: 256 },
        { width: 384, height: 256 },
        { width: 128, height: 128 },
      ]),
      priorNumInferenceSteps: pick([12, 20, 29]),
      priorGuidanceScale: 2.5,
      numInferenceSteps: pick([6, 12]),
      decoderGuidanceScale: 0,
    },
    // Milliseconds after which that is.
    abortAfter: next() < aborted ? 50 + 500 * next() : null,
  }))
}

const percentile = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]

module.exports = { mix, percentile, random, request }
