/**
 * Sets up what a checkout lacks, once: `node scripts/bootstrap.mjs [--only STAGE,...] [--check]`. Plain Node.
 * `npm test`, `npm run demo` and the other scripts start with it; when nothing is missing it says nothing.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { takeLock } from './tooling/lock.mjs'
import { STATE } from './tooling/places.mjs'
import { run, stopAll } from './tooling/shell.mjs'
import { GROUPS, STAGES } from './tooling/stages.mjs'

const USAGE = `Usage: node scripts/bootstrap.mjs [--only STAGE,...] [--check]

Sets up what is missing or out of date in this checkout.

  --only   these stages and what they need; all of them by default
  --check  change nothing; exit with 1 and name the stages that are out of date

Stages:
${Object.entries(STAGES)
  .map(([name, { does }]) => `  ${name.padEnd(8)} ${does}`)
  .join('\n')}
  native   loader and engine

Environment:
  WUERSTCHEN_PYTHON               the Python that .venv is made with
  WUERSTCHEN_LIBTORCH, LIBTORCH   compile against this libtorch instead of the one in .venv
`

const say = (line) => console.log(`bootstrap: ${line}`)

async function main() {
  refuseOldNode()
  const { only, check } = readArguments()
  const stages = withNeeds(only)
  const stale = stages.filter((name) => !STAGES[name].isFresh())

  if (check) {
    for (const name of stale) say(`${name} is missing or out of date`)
    process.exitCode = stale.length > 0 ? 1 : 0
    return
  }
  if (stale.length > 0) await setUp(stages)
}

async function setUp(stages) {
  const lock = await takeLock(say)
  // The lock stays: it is void as soon as the commands that we stop have ended.
  const stop = (signal) => {
    stopAll()
    process.exit(signal === 'SIGINT' ? 130 : 143)
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, stop)

  try {
    const started = Date.now()
    await makeAll(stages, lock)
    say(`ready after ${secondsSince(started)} s`)
  } finally {
    lock.release()
  }
}

/** Each stage starts as soon as what it needs is there. After a failure nothing new starts. */
async function makeAll(stages, lock) {
  const making = new Map()
  let failed = false
  const make = async (name) => {
    const needs = STAGES[name].needs.map((need) => making.get(need))
    await Promise.all(needs)
    if (failed) return
    try {
      await makeStage(name, lock)
    } catch (error) {
      failed = true
      say(`${name} FAILED`)
      throw new Error(`the stage '${name}' failed.\n${error.message}`, { cause: error })
    }
  }
  for (const name of stages) making.set(name, make(name))

  const results = await Promise.allSettled(making.values())
  const failures = results.filter(({ status }) => status === 'rejected').map(({ reason }) => reason)
  if (failures.length > 0) throw failures[0]
}

async function makeStage(name, lock) {
  const stage = STAGES[name]
  if (stage.isFresh()) return
  const log = join(STATE, `${name}.log`)
  rmSync(log, { force: true })
  say(`${stage.does} …`)
  const started = Date.now()
  await stage.make((command, args, env) =>
    run(command, args, { log, env, onStart: lock.started, onEnd: lock.ended }),
  )
  say(`${name} done in ${secondsSince(started)} s`)
}

/** The named stages and all that they need, needs first. */
function withNeeds(names) {
  const ordered = new Set()
  const visit = (name) => {
    for (const need of STAGES[name].needs) visit(need)
    ordered.add(name)
  }
  for (const name of names) visit(name)
  return [...ordered]
}

function readArguments() {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      check: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) {
    console.log(USAGE)
    process.exit(0)
  }
  const names = values.only?.split(',').flatMap((name) => GROUPS[name] ?? [name]) ?? Object.keys(STAGES)
  for (const name of names) {
    const known = [...Object.keys(STAGES), ...Object.keys(GROUPS)].join(', ')
    if (!(name in STAGES)) throw new Error(`Expected --only to name stages (${known}) but received '${name}'`)
  }
  return { only: names, check: values.check }
}

function refuseOldNode() {
  const [major, minor, patch] = process.versions.node.split('.').map(Number)
  if (major > 20 || (major === 20 && (minor > 18 || (minor === 18 && patch >= 1)))) return
  throw new Error(`Expected Node 20.18.1 or newer but this is ${process.versions.node}`)
}

const secondsSince = (started) => ((Date.now() - started) / 1000).toFixed(0)

main().catch((error) => {
  console.error(`bootstrap: ${error.message}`)
  process.exitCode = 1
})
