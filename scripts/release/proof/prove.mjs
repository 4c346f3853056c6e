/** Installs the package as a user would, and makes pictures with what was installed. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bareMachine } from './machine.mjs'
import { generateArguments, pictureOf, writePrograms } from './pictures.mjs'

/** Collects what was proved: `{ name, ok, seconds, reason }` for each step, said as soon as it is known. */
export function openReport(say = () => {}) {
  const results = []
  return {
    results,
    async step(name, work) {
      const started = performance.now()
      const result = { name, ok: true, seconds: 0 }
      try {
        await work()
      } catch (error) {
        result.ok = false
        result.reason = error.message
      }
      result.seconds = (performance.now() - started) / 1000
      results.push(result)
      say(
        `${result.ok ? 'ok  ' : 'FAIL'} ${result.seconds.toFixed(1).padStart(6)} s  ${name}${result.ok ? '' : `\n${result.reason}`}`,
      )
      return result.ok
    },
    skip(name, reason) {
      results.push({ name, ok: true, skipped: true, seconds: 0, reason })
      say(`SKIP           ${name}: ${reason}`)
    },
  }
}

export function expectPicture(file, reference) {
  if (!existsSync(file)) throw new Error(`Expected a picture in ${file} but found none`)
  if (!readFileSync(file).equals(reference ?? Buffer.alloc(0)))
    throw new Error(`Expected ${file} to equal the reference, byte for byte`)
}

/** The compressed pixels of a PNG: its metadata names the version of the package that made it. */
export function pixelsOf(png) {
  const chunks = []
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) {
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT')
      chunks.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)))
  }
  return Buffer.concat(chunks)
}

/** A machine with a folder in which a client has installed the package. */
export async function installed({ client, registry, tools, node, at = 'app', packages = ['wuerstchen'] }) {
  const machine = bareMachine({ registry, node, programs: client.programs(tools) })
  const folder = machine.folder(at)
  writeFileSync(join(folder, 'package.json'), '{ "name": "app", "private": true }\n')
  client.setUp(folder, registry)
  writePrograms(folder)
  try {
    await machine.run(folder, client.add(...packages))
  } catch (error) {
    machine.remove()
    throw error
  }
  return { machine, folder, run: (command, variables) => machine.run(folder, command, variables) }
}

/** Install, `doctor`, and one picture each by the command line and by these programs; without a reference the first is it. */
export async function proveClient(
  report,
  name,
  { client, registry, tools, node, programs, reference: expected },
) {
  let app
  let reference = expected
  if (
    !(await report.step(
      `${name}: install`,
      async () => (app = await installed({ client, registry, tools, node })),
    ))
  )
    return
  try {
    await report.step(`${name}: doctor`, () => app.run(client.exec('doctor')))
    await report.step(`${name}: generate`, async () => {
      await app.run(client.exec(...generateArguments('exec.png')))
      reference ??= readFileSync(join(app.folder, 'exec.png'))
      expectPicture(join(app.folder, 'exec.png'), reference)
    })
    for (const program of programs)
      await provePicture(report, `${name}: ${program}`, app, client, program, reference)
  } finally {
    app.machine.remove()
  }
}

export function provePicture(report, name, app, client, program, reference, variables = {}) {
  return report.step(name, async () => {
    await app.run(client.node(program), variables)
    expectPicture(join(app.folder, pictureOf(program)), reference)
  })
}
