'use strict'
// npm run bench:determinism — the same requests alone, in batches of 2 to 8, after their neighbours were aborted, and in each
// offload mode: noise must be bit-equal, and pictures byte-equal; within one level of 255 where the graphs run without our
// kernels and batches differ. Ends with 1 if one is not.

const { parseArgs } = require('node:util')
const { WuerstchenPipeline } = require('../dist')
const { loadRuntime } = require('../dist/native/binding')
const { difference } = require('./support/reference')
const { Report } = require('./support/manual')
const { machine } = require('./support/statistics')

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    graphs: { type: 'string' },
    dtype: { type: 'string', default: 'float32' },
    size: { type: 'string', default: '256' },
    docs: { type: 'boolean', default: false }, // into docs/benchmarks.md
  },
})
const SIDE = Number(values.size)
const MOST = 8
const STEPS = { priorNumInferenceSteps: 8, numInferenceSteps: 4, priorGuidanceScale: 2.5 }

const request = (index) => [
  `a ${['red', 'green', 'blue', 'yellow'][index % 4]} ${['circle', 'star', 'house'][index % 3]}`,
  { ...STEPS, width: SIDE, height: SIDE, seed: 100 + index },
]

const open = (options = {}) =>
  WuerstchenPipeline.fromPretrained(values.model, {
    device: 'cpu',
    dtype: values.dtype,
    maxBatchRows: 2 * MOST,
    ...(values.graphs && { graphs: values.graphs }),
    ...options,
  })

async function draw(pipeline, index, more = {}) {
  const [prompt, options] = request(index)
  return (await pipeline.generate(prompt, { ...options, ...more })).images[0]
}

/** All of these at once. */
const together = (pipeline, indices) => Promise.all(indices.map((index) => draw(pipeline, index)))
const upTo = (count) => Array.from({ length: count }, (_, index) => index)

/** `count` at once, of which all but the first lose interest at their `step`th step. */
async function amongAborted(pipeline, count, step) {
  const neighbours = upTo(count).slice(1)
  const running = neighbours.map((index) => {
    const abort = new AbortController()
    let steps = 0
    const onProgress = () => {
      steps += 1
      if (steps === step) abort.abort()
    }
    return draw(pipeline, index, { signal: abort.signal, onProgress }).catch((error) => {
      if (!abort.signal.aborted) throw error
    })
  })
  const [first] = await Promise.all([draw(pipeline, 0), ...running])
  return first
}

const found = new Map()
const missed = []
function compare(what, bound, pairs, detail = '') {
  let largest = 0
  for (const [one, other] of pairs) largest = Math.max(largest, difference(one, other).largest)
  if (largest > bound) missed.push(`${what} (${detail})`)
  const row = found.get(what) ?? { what, pictures: 0, largest: 0, bound }
  found.set(what, { ...row, pictures: row.pictures + pairs.length, largest: Math.max(row.largest, largest) })
}

const zip = (one, other) => one.map((picture, index) => [picture, other[index]])

/** Draws of a stream of four rows, in different orders and with rows given back. */
async function noise() {
  const device = loadRuntime().addon.openDevice({ device: 'cpu', threads: 1 })
  const shape = [4, 8, 8]
  const draws = async (orders, released = []) => {
    const stream = device.noise({ seed: 7, rows: 4, dtype: 'float32' })
    for (const row of released) stream.release(row)
    const rows = [[], [], [], []]
    for (const row of orders) {
      const tensor = await device.drawLatents({ noise: stream, noiseRow: row, shape })
      rows[row].push(Buffer.from((await device.read(tensor)).data.buffer))
      tensor.dispose()
    }
    stream.dispose()
    return rows.map((row) => Buffer.concat(row).toString('base64'))
  }
  const inOrder = await draws([0, 1, 2, 3, 0, 1, 2, 3])
  const others = [await draws([3, 3, 2, 2, 1, 1, 0, 0]), await draws([2, 0, 2, 0, 1, 3, 1, 3])]
  const [alone] = await draws([0, 0], [1, 2, 3])
  await device.close()
  return others.every((rows) => rows.join() === inOrder.join()) && alone === inOrder[0]
}

async function main() {
  const noiseEqual = await noise()
  const plain = await open()
  const others = plain.info.stages.decoder.kernels === null ? 1 : 0
  const alone = []
  for (const index of upTo(MOST)) alone.push(await draw(plain, index))
  compare('alone, again', 0, [[await draw(plain, 0), alone[0]]])
  const batches = new Map()
  for (const count of upTo(MOST + 1).slice(2)) {
    const batch = await together(plain, upTo(count))
    batches.set(count, batch)
    compare('in batches of 2 to 8, against alone', others, zip(batch, alone), count)
    compare('the same batches again', 0, zip(await together(plain, upTo(count)), batch), count)
    const neighbours = [0, ...upTo(MOST).slice(MOST - count + 1)]
    const [first] = await together(plain, neighbours)
    compare('with other neighbours', 0, [[first, batch[0]]], count)
  }
  for (const step of [1, 5, 10]) {
    compare('beside three that are aborted', others, [[await amongAborted(plain, 4, step), alone[0]]], step)
  }
  compare('alone, after all that', 0, [[await draw(plain, 0), alone[0]]])
  await plain.dispose()
  for (const offload of values.dtype === 'int8' ? [] : ['model', 'sequential']) {
    const saving = await open({ offload })
    const again = []
    for (const index of upTo(3)) again.push(await draw(saving, index))
    compare(`offload '${offload}', alone`, 0, zip(again, alone))
    compare(`offload '${offload}', in a batch of 3`, 0, zip(await together(saving, upTo(3)), batches.get(3)))
    await saving.dispose()
  }
  const two = await open({ device: ['cpu', 'cpu'] })
  compare('two devices', others, [[await draw(two, 0), alone[0]]])
  compare('two devices', others, zip(await together(two, upTo(MOST)), alone))
  await two.dispose()

  console.log(`${machine()}; ${values.dtype}, ${SIDE}x${SIDE}\n`)
  const report = new Report('determinism', values)
  report.line(`noise bit-equal, whatever the order of the rows: ${noiseEqual ? 'yes' : 'NO'}\n`)
  report.line('| | pictures | largest difference, of 255 | allowed |\n|---|---|---|---|')
  for (const { what, pictures, largest, bound } of found.values())
    report.line(`| ${what} | ${pictures} | ${largest} | ${bound} |`)
  report.end()
  for (const what of missed) console.log(`missed: ${what}`)
  if (missed.length > 0 || !noiseEqual) process.exitCode = 1
}

main()
