'use strict'
// npm run bench:runtime -- --from FOLDER [--flavour cpu] — `runtime install` with the official archives, which FOLDER has
// under their names: from a loopback server that cuts every fifth answer, and from the folder; then a picture with what was
// installed. Ends with 1 if something fails, or if the picture is another than with the libtorch that is found here.

const { spawnSync, spawn } = require('node:child_process')
const { createHash } = require('node:crypto')
const fs = require('node:fs')
const http = require('node:http')
const os = require('node:os')
const path = require('node:path')
const { parseArgs } = require('node:util')
const { ROOT } = require('./support/reference')
const { machine } = require('./support/statistics')
const { table } = require('./support/tables')

const { values } = parseArgs({
  options: {
    from: { type: 'string' },
    flavour: { type: 'string', default: 'cpu' },
    /** Where the runtimes are installed, one after the other. */
    folder: { type: 'string', default: os.tmpdir() },
  },
})
const CUT_EVERY = 5

/** The files of --from. Every fifth answer ends in its middle. */
async function startMirror(folder) {
  let answers = 0
  let cuts = 0
  const server = http.createServer((request, response) => {
    const file = path.join(folder, path.basename(decodeURIComponent(request.url)))
    const { size } = fs.statSync(file)
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []
    const [start, end] = first === undefined ? [0, size - 1] : [Number(first), Number(last)]
    response.writeHead(first === undefined ? 200 : 206, {
      'content-length': end - start + 1,
      ...(first === undefined ? {} : { 'content-range': `bytes ${start}-${end}/${size}` }),
    })
    const isCut = ++answers % CUT_EVERY === 0 && end > start
    if (isCut) cuts += 1
    const stream = fs.createReadStream(file, {
      start,
      end: isCut ? start + Math.floor((end - start) / 2) : end,
    })
    stream.on('end', () => (isCut ? response.destroy() : response.end()))
    stream.pipe(response, { end: false })
  })
  await new Promise((done) => server.listen(0, '127.0.0.1', done))
  const address = `http://127.0.0.1:${server.address().port}/`
  return { address, counts: () => `${answers} answers, ${cuts} cut`, stop: () => server.close() }
}

/** Installs in a process of its own, and tells what that took. */
function installation(options) {
  const script = `
    const { installRuntime } = require(${JSON.stringify(path.join(ROOT, 'dist', 'index.js'))})
    const started = performance.now()
    installRuntime(${JSON.stringify({ flavour: values.flavour, ...options })}).then(({ runtime }) => {
      const seconds = (performance.now() - started) / 1000
      const megabytes = process.resourceUsage().maxRSS * 1024 / 1e6
      console.log(JSON.stringify({ runtime, seconds, megabytes }))
    })`
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.on('data', (chunk) => (text += chunk))
  return new Promise((resolve, reject) => {
    child.once('close', () =>
      text === '' ? reject(new Error('installation failed')) : resolve(JSON.parse(text)),
    )
  })
}

/** sha256 of a picture's file, and how long it took from the process's start. */
function picture(folder, libtorch) {
  const out = path.join(folder, 'picture.png')
  const cli = path.join(ROOT, 'dist', 'cli', 'main.js')
  const args = [cli, 'generate', 'a red circle on a blue background', '--seed', '7', '--quiet', '-o', out]
  const started = performance.now()
  const run = spawnSync(process.execPath, libtorch === null ? args : [...args, '--libtorch', libtorch], {
    encoding: 'utf8',
  })
  if (run.status !== 0) throw new Error(run.stderr)
  const seconds = (performance.now() - started) / 1000
  return { seconds, hash: createHash('sha256').update(fs.readFileSync(out)).digest('hex') }
}

async function main() {
  if (values.from === undefined) throw new Error('Expected --from with a folder of official archives')
  console.log(machine())
  const mirror = await startMirror(values.from)
  const rows = []
  for (const [name, options] of Object.entries({
    'a server that cuts': { from: mirror.address },
    'the folder': { from: path.resolve(values.from) },
  })) {
    const folder = fs.mkdtempSync(path.join(values.folder, 'wuerstchen-runtime-'))
    try {
      const { runtime, seconds, megabytes } = await installation({ ...options, folder })
      const ours = picture(folder, runtime.folder)
      const other = picture(folder, null)
      const isSame = ours.hash === other.hash
      if (!isSame) process.exitCode = 1
      const left = fs.readdirSync(folder).filter((one) => ![runtime.name, 'picture.png'].includes(one))
      if (left.length > 0) process.exitCode = 1
      rows.push([
        name,
        seconds.toFixed(1),
        (runtime.size / 1e6).toFixed(0),
        megabytes.toFixed(0),
        ours.seconds.toFixed(1),
        isSame ? 'the same' : 'another',
        name === 'the folder' ? '' : mirror.counts(),
        left.join(', '),
      ])
    } finally {
      fs.rmSync(folder, { recursive: true, force: true })
    }
  }
  mirror.stop()
  const heads = ['s', 'unpacked, MB', 'peak RSS, MB', 'first picture, s', 'picture', '', 'left over']
  console.log(table([`${values.flavour} from`, ...heads], rows))
}

main().catch((error) => {
  console.error(error.message)
  process.exitCode = 1
})
