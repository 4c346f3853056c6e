'use strict'
// npm run bench:first-picture — where the time from starting the process to a PNG on disk goes, bundled model.

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { ROOT } = require('./support/reference')
const { machine, median, spread } = require('./support/statistics')

const RUNS = Number(process.argv[2] ?? 7)
// Marks in milliseconds since the process was started, by the clock that its parent reads too.
const PROGRAM = `
const at = () => performance.timeOrigin + performance.now()
const marks = [['Node starts', at()]]
const { WuerstchenPipeline } = require(${JSON.stringify(path.join(ROOT, 'dist'))})
marks.push(['import', at()])
const { loadRuntime } = require(${JSON.stringify(path.join(ROOT, 'dist/native/binding.js'))})
loadRuntime()
marks.push(['libtorch and the addon are opened', at()])
;(async () => {
  const pipeline = await WuerstchenPipeline.fromPretrained()
  marks.push(['the model is loaded', at()])
  const { images } = await pipeline.generate('a red circle on a blue background', { seed: 7 })
  marks.push(['the picture is made', at()])
  await images[0].toFile(process.argv[1])
  marks.push(['the PNG is written', at()])
  await pipeline.dispose()
  process.stdout.write(JSON.stringify(marks))
})()
`

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'wuerstchen-first-'))
const times = new Map()
for (let run = 0; run <= RUNS; run++) {
  let before = Date.now()
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ['-e', PROGRAM, path.join(folder, 'a.png')],
    {
      encoding: 'utf8',
    },
  )
  const ended = Date.now()
  if (status !== 0) throw new Error(stderr)
  if (run === 0) continue // fills the page cache
  for (const [name, at] of [...JSON.parse(stdout), ['the process ends', ended]]) {
    times.set(name, [...(times.get(name) ?? []), at - before])
    before = at
  }
}
fs.rmSync(folder, { recursive: true })

console.log(`${machine()}; median (range) of ${RUNS} processes, 256x256, default steps`)
console.log('| until | ms |\n|---|---|')
for (const [name, values] of times) console.log(`| ${name} | ${spread(values)} |`)
const sum = [...times].reduce((total, [, values]) => total + median(values), 0)
console.log(`| together | ${sum.toFixed(0)} |`)
