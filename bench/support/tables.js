'use strict'
// Results of `npm run bench` as markdown, ready for docs/benchmarks.md.

const { VARIANTS } = require('./options')
const { median, spread } = require('./statistics')

const row = (cells) => `| ${cells.join(' | ')} |`
const table = (head, rows) => [row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n')
const times = (a, b) => `${(a / b).toFixed(2)}x`

/** What a reader calls the contenders. */
const LABELS = {
  wuerstchen: '**wuerstchen**',
  eager: 'diffusers, eager',
  sdpa: 'diffusers, eager, SDPA',
  compile: 'diffusers, torch.compile',
  autotune: 'diffusers, torch.compile, max-autotune and freezing',
  onnxruntime: 'ONNX Runtime',
  openvino: 'OpenVINO',
  'openvino-f32': 'OpenVINO, which computes in float32',
  torchscript: 'our graph in plain TorchScript',
  compiled: 'our graph, compiled by AOTInductor',
  int8: '**wuerstchen**, int8',
}

/** Share of the yardstick: what the step's arithmetic as published would take at `gflops`, of what it took. */
const share = (flops, milliseconds, gflops) => flops / 1e6 / gflops / milliseconds

/** The quickest of those that are not ours: what the bars are measured against. */
function bestPeer(contenders) {
  const peers = contenders.filter(
    ({ name, median }) => median !== null && !['wuerstchen', 'torchscript', ...VARIANTS].includes(name),
  )
  return peers.reduce((best, one) => (best === null || one.median < best.median ? one : best), null)
}

/** What stands in the place of a contender's times. */
const reasonOf = (failure) => `failed: ${failure.split('\n')[0]}`

function stageTable({ title, contenders, flops }, { packed }) {
  const ours = contenders.find(({ name }) => name === 'wuerstchen')
  const rows = contenders.map(({ name, times: all, median, error, failure }) => {
    if (failure !== null) return [LABELS[name], reasonOf(failure), '-', '-', '-']
    const percent = (100 * share(flops.total, median, packed)).toFixed(0)
    const advantage = ours?.median && name !== 'wuerstchen' ? times(median, ours.median) : '-'
    return [LABELS[name], spread(all), advantage, `${percent}%`, error.toExponential(1)]
  })
  const head = [
    title,
    'median (range), ms',
    'time relative to wuerstchen',
    'of the packed-GEMM rate',
    'from eager',
  ]
  return table(head, rows)
}

function pictureTable({ title, contenders }) {
  const ours = contenders.find(({ name }) => name === 'wuerstchen')
  const rows = contenders.map(({ name, times: all, median, failure }) => {
    if (failure !== null) return [LABELS[name], reasonOf(failure), '-']
    return [
      LABELS[name],
      spread(all),
      name === 'wuerstchen' || !ours?.median ? '-' : times(median, ours.median),
    ]
  })
  return table([title, 'median (range), ms', 'time relative to wuerstchen'], rows)
}

function overheadsTable({ start, calls }) {
  const ms = (value, digits = 0) => `${value.toFixed(digits)} ms`
  const rows = [
    ['process start to a ready pipeline, bundled model', `${spread(start.map(({ ready }) => ready))} ms`],
    ['of which: importing the package', ms(median(start.map((one) => one.import)))],
    ['of which: opening libtorch, loading the model', ms(median(start.map(({ load }) => load)))],
    ['an empty call to the native thread and back', ms(calls.empty, 3)],
    ['what a step adds when it is a call of its own', `${ms(calls.call, 3)} (a step: ${ms(calls.step, 1)})`],
    [
      'event loop delay while generating, p50 / p99 / max',
      `${[calls.p50, calls.p99, calls.max].map((one) => one.toFixed(1)).join(' / ')} ms`,
    ],
    ["copies of a picture's pixels on JavaScript's side", Math.max(0, calls.copies).toFixed(2)],
  ]
  return table(['overhead', ''], rows)
}

function gemmTable(rates) {
  const rows = rates.map(({ shape, packed, plain }) => [shape.join('x'), packed.toFixed(0), plain.toFixed(0)])
  return table(['linear, rows x in x out', 'oneDNN packed, GFLOP/s', 'as PyTorch calls it, GFLOP/s'], rows)
}

module.exports = {
  LABELS,
  bestPeer,
  gemmTable,
  overheadsTable,
  pictureTable,
  row,
  share,
  stageTable,
  table,
  times,
}
