import { contest } from '../../bench/support/contest'
import { Worker } from '../../bench/support/worker'

/** A process that answers as a contender does: its step gives one number and takes a millisecond. */
const answering = (value: number) => () => {
  const code = `
    const fs = require('node:fs')
    console.log('{"seconds":0}')
    require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
      const { out } = JSON.parse(line)
      if (out) fs.writeFileSync(out, Buffer.from(Float32Array.of(${value}).buffer))
      console.log('{"milliseconds":1}')
    })`
  return new Worker(process.execPath, ['-e', code])
}
const broken = () => new Worker(process.execPath, ['-e', 'throw new Error("no such peer")'])
const options = { rounds: 2, tolerance: () => 0.1, log: () => undefined }

;(process.platform === 'win32' ? describe.skip : describe)('contest()', () => {
  it('times who agrees with the first, and says of the others why not', async () => {
    const found = await contest(
      { eager: answering(2), far: answering(3), broken, near: answering(2.1) },
      options,
    )
    expect(found.map(({ name, times }) => [name, times])).toEqual([
      ['eager', [1, 1]],
      ['far', []],
      ['broken', []],
      ['near', [1, 1]],
    ])
    expect(found[1]).toMatchObject({
      median: null,
      failure: expect.stringContaining('agree with eager within 0.1'),
    })
    expect(found[2]?.failure).toContain('no such peer')
  })

  it('fails where the first fails: nobody could be compared', async () => {
    await expect(contest({ eager: broken, near: answering(2) }, options)).rejects.toThrow('no such peer')
  })
})
