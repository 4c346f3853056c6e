'use strict'
// npm run bench:lora — a LoRA of rank 32 on every linear layer of v2's prior at its full size: how long it takes to load, to
// rescale and to unload, and the private memory that the process holds after each, after fifty times, and after dispose().
// Ends with 1 if a bar is missed. Linux: it reads /proc.

const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { parseArgs } = require('node:util')
const { WuerstchenPipeline } = require('../dist')
const { ensureFullSize } = require('./support/checkpoint')
const { Report } = require('./support/manual')
const { median } = require('./support/statistics')
const { writeStyle } = require('./support/style')

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    dtype: { type: 'string', default: 'bfloat16' },
    kernels: { type: 'string', default: 'auto' },
    rank: { type: 'string', default: '32' },
    cycles: { type: 'string', default: '50' },
    pictures: { type: 'boolean', default: false }, // between the changes, so that kernels pack what changed
    docs: { type: 'boolean', default: false }, // into docs/benchmarks.md
  },
})
const GB = 1e9
/** Bytes of private memory that may stay, and seconds that loading or rescaling may take. */
const BARS = { left: 0.1 * GB, seconds: 3 }

const privateBytes = () =>
  1024 * Number(/^RssAnon:\s+(\d+)/m.exec(fs.readFileSync('/proc/self/status', 'utf8'))?.[1])

const gb = (bytes) => (bytes / GB).toFixed(2)

async function main() {
  const folder = values.model ?? ensureFullSize()
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'wuerstchen-lora-'))
  const file = path.join(scratch, 'style.safetensors')
  try {
    const prior = path.join(`${folder}-prior`, 'prior', 'diffusion_pytorch_model.safetensors')
    const style = await writeStyle(file, prior, Number(values.rank))
    await measure(folder, file, style)
  } finally {
    fs.rmSync(scratch, { recursive: true })
  }
}

async function measure(folder, file, style) {
  const report = new Report('lora', values)
  report.line(
    `${values.dtype}, kernels ${values.kernels}, rank ${values.rank}, ${style.layers} layers, ${(style.numbers / 1e6).toFixed(0)} million weights changed, a file of ${(style.bytes / 1e6).toFixed(0)} MB`,
  )
  report.line(
    '\n| | s | private, resident, GB | memory().private, GB | memory().held, GB |\n|---|---|---|---|---|',
  )
  const missed = []
  const options = { dtype: values.dtype, device: 'cpu' }
  if (values.kernels !== 'auto') options.kernels = values.kernels
  const pipeline = await WuerstchenPipeline.fromPretrained(folder, options)
  const row = (what, seconds) => {
    const { private: own = Number.NaN, held } = pipeline.memory()
    const bytes = privateBytes()
    const time = seconds === null ? '' : seconds.toFixed(2)
    report.line(`| ${what} | ${time} | ${gb(bytes)} | ${gb(own)} | ${gb(held)} |`)
    return bytes
  }
  const picture = async () => {
    if (!values.pictures) return
    const size = { width: 256, height: 256, priorNumInferenceSteps: 1 }
    await pipeline.prior('a small yellow star', { ...size, seed: 1 })
  }
  const timed = async (what, call) => {
    const started = performance.now()
    await call()
    const seconds = (performance.now() - started) / 1000
    await picture()
    return { seconds, bytes: what === null ? privateBytes() : row(what, seconds) }
  }
  await picture()
  const before = row('before', null)
  const stays = (what, bytes) => {
    if (bytes - before > BARS.left) missed.push(`${gb(bytes - before)} GB more than before ${what}`)
  }
  const loaded = await timed('loadLora', () => pipeline.loadLora(file, { scale: 0.8 }))
  const rescaled = await timed('setLoraScales', () => pipeline.setLoraScales({ style: 0.5 }))
  const unloaded = await timed('unloadLora', () => pipeline.unloadLora('style'))
  stays('after unloadLora', unloaded.bytes)
  for (const { seconds } of [loaded, rescaled])
    if (seconds > BARS.seconds) missed.push(`${seconds.toFixed(1)} s for one change`)
  const times = []
  for (let cycle = 0; cycle < Number(values.cycles); cycle++) {
    times.push((await timed(null, () => pipeline.loadLora(file))).seconds)
    await timed(null, () => pipeline.unloadLora('style'))
  }
  if (times.length > 0)
    stays('after the cycles', row(`${times.length} times both, median load`, median(times)))
  await pipeline.dispose()
  stays('after dispose()', row('dispose()', null))
  report.end()
  for (const what of missed) console.log(`missed: ${what}`)
  if (missed.length > 0) process.exitCode = 1
}

main()
