/** The short form of `npm run bench:server-fuzz`, which sends 20,000. */
import { hostileBytes, hostileRequest, sendBytes } from '../../bench/support/hostile'
import { serveFake } from '../support/http-server'

describe('hostile requests', () => {
  it('bring no answer of 500 and no crash', async () => {
    await using served = await serveFake({ maxTimeoutSeconds: 5, maxSteps: 3, maxPixels: 128 * 128 })
    const jobs: string[] = []
    const statuses = new Map<number, number>()
    for (let seed = 0; seed < 600; seed += 6) {
      const answers = Array.from({ length: 6 }, async (_, index) => {
        const { path, ...request } = hostileRequest(seed + index, jobs)
        const response = await fetch(served.url + path, request)
        const text = await response.text()
        statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1)
        if (response.status >= 500 && response.status !== 503)
          throw new Error(
            `${response.status} ${JSON.stringify(hostileRequest(seed + index, jobs)).slice(0, 500)}: ${text}`,
          )
        if (response.status >= 400 && request.method !== 'HEAD')
          expect(JSON.parse(text)).toEqual({
            error: expect.objectContaining({ message: expect.any(String) }),
          })
        const id = /"id":"(job_\w+)"/.exec(text)?.[1]
        if (id !== undefined) jobs.push(id)
      })
      await Promise.all(answers)
    }
    for (let seed = 0; seed < 60; seed++)
      expect(await sendBytes(Number(new URL(served.url).port), hostileBytes(seed))).not.toMatch(
        /HTTP\/1.1 50[0-24-9]/,
      )
    expect((await served.get('/readyz')).status).toBe(200)
    // The mix is worth something: some are good, some are bad.
    expect([...statuses.keys()]).toEqual(expect.arrayContaining([200, 400, 404]))
  })
})
