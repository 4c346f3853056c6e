'use strict'
// What an engine was asked, and how long its steps took: a mix that the scheduler can be tried on again, on a clock of its own.

const { subscribe, unsubscribe } = require('node:diagnostics_channel')
const { median } = require('./statistics')

const STAGES = ['prior', 'decoder', 'vqgan']

/** Milliseconds of the turns of each shape, by the pictures that shared them. */
class Turns {
  constructor() {
    this.shapes = new Map()
    this.seen = (message) => this.add(message)
    subscribe('wuerstchen:turn', this.seen)
  }

  add({ key, images, ms }) {
    const widths = this.shapes.get(key) ?? new Map()
    this.shapes.set(key, widths.set(images, [...(widths.get(images) ?? []), ms]))
  }

  /** The shape that a stage of these pictures had, where pictures of one size alone were made. */
  shapeOf(stage) {
    return [...this.shapes.keys()].find((key) => key.startsWith(`${stage} `))
  }

  /** `{ shape: { pictures: [times it was seen, median ms] } }` */
  costs() {
    const ofShape = (widths) =>
      [...widths].map(([images, all]) => [images, [all.length, Number(median(all).toFixed(2))]])
    return Object.fromEntries(
      [...this.shapes].map(([key, widths]) => [key, Object.fromEntries(ofShape(widths))]),
    )
  }

  close() {
    unsubscribe('wuerstchen:turn', this.seen)
  }
}

/** `a + b n` through what was measured of one shape: turns count as often as they were seen. */
function line(widths) {
  const points = Object.entries(widths).map(([images, [count, ms]]) => [Number(images), count, ms])
  const sum = (of) => points.reduce((total, point) => total + point[1] * of(point), 0)
  const all = sum(() => 1)
  const [n, ms] = [sum(([images]) => images) / all, sum(([, , took]) => took) / all]
  const spread = sum(([images]) => (images - n) ** 2)
  const each =
    spread === 0 ? ms / n : Math.max(0, sum(([images, , took]) => (images - n) * (took - ms)) / spread)
  return [Math.max(0, ms - each * n), each]
}

/** Milliseconds of a turn of `pictures` of one size, as it was measured; what was not, by the line through what was. */
function costOf({ shapes, costs }) {
  const lines = new Map(Object.entries(costs).map(([key, widths]) => [key, line(widths)]))
  return (size, stage, pictures) => {
    const key = shapes[size][stage]
    const measured = costs[key][pictures]
    if (measured !== undefined && measured[0] >= 5) return measured[1]
    const [fixed, each] = lines.get(key)
    return fixed + each * pictures
  }
}

module.exports = { costOf, line, STAGES, Turns }
