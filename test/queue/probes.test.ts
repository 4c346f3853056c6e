/** What a worker says of itself over HTTP: for whoever restarts it, and for Prometheus. */
import { createServer } from 'node:net'
import type { WuerstchenProcess } from '../../bench/support/wuerstchen-process'
import { until } from '../support/http-server'
import { describeQueue, LONG, QueueRoom } from '../support/queue'

/** The worker's own address, as its log says. */
const urlOf = (worker: WuerstchenProcess) => /"probes":"(http:[^"]+)"/.exec(worker.output())?.[1] ?? ''
const statusOf = async (url: string) => (await fetch(url)).status

describeQueue('a worker with a port for probes', () => {
  it('tells when it takes jobs, and counts what it makes', async () => {
    await using room = await QueueRoom.open()
    const worker = await room.worker('--worker-port', '0')
    const url = urlOf(worker)
    const served = await room.server()
    await served.server.backend.ready()
    expect(await statusOf(`${url}/healthz`)).toBe(200)
    expect(await (await fetch(`${url}/readyz`)).json()).toEqual({ status: 'ready' })
    expect(await statusOf(`${url}/v1/models`)).toBe(404)

    const { job } = await served.submit()
    expect((await served.follow(job.id)).at(-1)).toMatchObject({ event: 'done' })
    const text = await (await fetch(`${url}/metrics`)).text()
    expect(text).toMatch(/wuerstchen_stage_steps_total\{stage="prior"\} [1-9]/)
    expect(text).toMatch(/wuerstchen_batch_pictures_count\{stage="decoder"\} [1-9]/)
    expect(text).toContain('wuerstchen_worker_attempts_total{outcome="succeeded"} 1')
    expect(text).toContain('wuerstchen_worker_attempts_total{outcome="failed"} 0')
    expect(text).toContain('wuerstchen_worker_jobs 0')
    expect(text).toMatch(/wuerstchen_memory_bytes [1-9]/)
    expect(text).toContain('process_resident_memory_bytes')
  })

  it('is not ready while it drains, nor while its broker is away', async () => {
    await using room = await QueueRoom.open()
    const served = await room.server()
    const worker = await room.worker('--worker-port', '0', '--drain-seconds', '100')
    const url = urlOf(worker)
    await room.redis.kill()
    await until(async () => (await statusOf(`${url}/readyz`)) === 503, 30_000)
    expect(await (await fetch(`${url}/readyz`)).json()).toEqual({ status: 'lost' })
    expect(await statusOf(`${url}/healthz`)).toBe(200)
    await room.redis.start()
    await until(async () => (await statusOf(`${url}/readyz`)) === 200, 30_000)

    await until(async () => (await served.get('/readyz')).status === 200, 30_000)
    const { job, status } = await served.submit(LONG)
    expect(status).toBe(202)
    await served.untilStatus(job.id, 'running')
    worker.child.kill('SIGTERM')
    await until(async () => (await statusOf(`${url}/readyz`)) === 503, 30_000)
    expect(await (await fetch(`${url}/readyz`)).json()).toEqual({ status: 'draining' })
  })

  it('does not start on a port that is taken', async () => {
    await using room = await QueueRoom.open()
    const other = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => other.once('listening', resolve))
    const { port } = other.address() as { port: number }
    await expect(room.worker('--worker-port', String(port))).rejects.toThrow(
      /\[ERR_WUERSTCHEN_LISTEN_FAILED\]: Expected port \d+ of 127.0.0.1 to be free .*--worker-port/,
    )
    other.close()
  })
})
