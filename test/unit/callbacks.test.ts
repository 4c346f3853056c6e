import { execFileSync } from 'node:child_process'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { callbacks } from '../../lib/checks/callbacks'
import { joinSignals } from '../../lib/checks/signals'
import { exportGraphs } from '../../lib/model/export'
import { folderOf, removeFolders } from '../support/temporary-folder'

afterAll(removeFolders)

const later = (reason: Error) => new Promise<void>((_, reject) => setTimeout(() => reject(reason), 5))
const mine = new Error('mine')

describe('callbacks()', () => {
  it('passes arguments on, and ends well', async () => {
    const seen: number[] = []
    const calls = callbacks()
    calls.calling((value: number) => seen.push(value))(3)
    calls.calling(undefined)()
    await calls.finished()
    expect(seen).toEqual([3])
  })

  it('throws what is thrown', () => {
    const calls = callbacks()
    const call = calls.calling(() => {
      throw mine
    })
    expect(call).toThrow(mine)
    expect(calls.threw(mine)).toBe(true)
    expect(calls.threw(new Error('mine'))).toBe(false)
  })

  it('rejects with what is rejected later, and throws it at the next call', async () => {
    const heard: unknown[] = []
    const calls = callbacks((reason) => heard.push(reason))
    const call = calls.calling(() => later(mine))
    call()
    await expect(calls.finished()).rejects.toBe(mine)
    expect(heard).toEqual([mine])
    expect(call).toThrow(mine)
  })
})

describe('joinSignals()', () => {
  it('aborts with the first, or by itself, and listens no longer', () => {
    const [one, two] = [new AbortController(), new AbortController()]
    const joined = joinSignals(one.signal, undefined, two.signal)
    two.abort(mine)
    one.abort(new Error('late'))
    expect(joined.signal.reason).toBe(mine)
    joined.release()
    const own = joinSignals()
    own.abort(mine)
    expect(own.signal.reason).toBe(mine)
    expect(joinSignals(two.signal).signal.reason).toBe(mine)
  })
})

describe('exportGraphs()', () => {
  /** A Python that says after `asked` whether it has torch, then prints two lines and works on. */
  const python = (asked = 'true') => {
    const file = join(folderOf({}), 'python')
    const script = `#!/bin/sh\nif [ "$1" = -c ]; then ${asked}; exit 0; fi\necho one; echo two; exec sleep 20\n`
    execFileSync('tee', [file], { input: script })
    chmodSync(file, 0o755)
    return file
  }
  const { WUERSTCHEN_PYTHON } = process.env
  afterEach(() => {
    if (WUERSTCHEN_PYTHON === undefined) delete process.env.WUERSTCHEN_PYTHON
    else process.env.WUERSTCHEN_PYTHON = WUERSTCHEN_PYTHON
  })

  it('leaves the event loop free while it looks for a Python', async () => {
    // It answers once the event loop has turned some times, or gives up on that.
    const turned = join(folderOf({}), 'turned')
    process.env.WUERSTCHEN_PYTHON = python(
      `for i in $(seq 500); do [ -e '${turned}' ] && exit 0; sleep 0.01; done`,
    )
    const stop = new AbortController()
    let ticks = 0
    const timer = setInterval(() => {
      ticks += 1
      if (ticks === 6) writeFileSync(turned, '')
    }, 10)
    const out = folderOf({})
    const running = exportGraphs('model', { out, signal: stop.signal, onLine: () => stop.abort(mine) })
    await expect(running).rejects.toBe(mine)
    clearInterval(timer)
    expect(ticks).toBeGreaterThan(5)
  })

  it.each([
    [
      'throws',
      () => {
        throw mine
      },
    ],
    ['rejects with later', () => later(mine)],
  ])('stops and rejects with what onLine %s', async (_how, onLine) => {
    process.env.WUERSTCHEN_PYTHON = python()
    const started = performance.now()
    await expect(exportGraphs('model', { out: folderOf({}), onLine })).rejects.toBe(mine)
    expect(performance.now() - started).toBeLessThan(15_000)
  })
})
