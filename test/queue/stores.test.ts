import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { openStore } from '../../lib/queue/store'
import { jobErrorOf } from '../../lib/server/errors'
import { type Json, until } from '../support/http-server'
import { describeQueue, QueueRoom, SHORT } from '../support/queue'
import { S3Server } from '../support/s3-server'
import { folderOf, removeFolders } from '../support/temporary-folder'
import { writtenLog } from '../support/written-log'

/** Settings of the AWS client are the process's. */
async function withS3(test: (s3: S3Server) => Promise<void>): Promise<void> {
  await using s3 = await S3Server.open()
  const before = { ...process.env }
  Object.assign(process.env, s3.environment)
  try {
    await test(s3)
  } finally {
    for (const name of Object.keys(s3.environment)) {
      delete process.env[name]
      if (before[name] !== undefined) process.env[name] = before[name]
    }
  }
}

async function keepsPictures(setting: string): Promise<void> {
  const store = openStore(setting)
  const data = Buffer.from('a picture')
  await store.put('job_1/1-0.png', Promise.resolve(data), 'image/png')
  expect(Buffer.from((await store.get('job_1/1-0.png')) ?? [])).toEqual(data)
  await store.remove('job_1/1-0.png')
  await store.remove('job_1/1-0.png')
  expect(await store.get('job_1/1-0.png')).toBeNull()
  store.close()
}

describe('openStore()', () => {
  afterEach(removeFolders)

  it('keeps pictures in a folder', () => keepsPictures(folderOf({})))

  it('keeps pictures in a bucket', () => withS3(() => keepsPictures('s3://pictures/of/ours')))

  it('has one identity for a folder, however many open it at once', async () => {
    const folder = folderOf({})
    const all = await Promise.all([1, 2, 3, 4].map(() => openStore(folder).identity()))
    expect(new Set(all).size).toBe(1)
    expect(await openStore(folderOf({})).identity()).not.toBe(all[0])
  })

  it('has one code for whatever goes wrong, with folder, picture and reason; clients learn none of these', async () => {
    const store = openStore('/dev/null/pictures')
    const error = await store
      .put('job_1/1-0.png', Promise.resolve(Buffer.from('x')), 'image/png')
      .catch((reason) => reason)
    expect(error).toMatchObject({
      code: 'ERR_WUERSTCHEN_STORE_FAILED',
      retryable: true,
      message: expect.stringMatching(
        /^Expected store '\/dev\/null\/pictures' to keep job_1\/1-0\.png but received ENOTDIR: not a directory/,
      ),
      cause: { code: 'ENOTDIR' },
      details: { store: '/dev/null/pictures' },
    })
    expect(jobErrorOf(error)).toMatchObject({ code: 'ERR_WUERSTCHEN_STORE_FAILED', param: null })
    expect(jobErrorOf(error).message).not.toMatch(/dev|job_1|ENOTDIR/)
  })

  it('leaves nothing of a picture that could not be encoded, and blames nobody for it', async () => {
    const folder = folderOf({})
    const reason = new Error('no encoder')
    const put = openStore(folder).put('job_1/1-0.png', Promise.reject(reason), 'image/png')
    await expect(put).rejects.toBe(reason)
    expect(readdirSync(folder)).toEqual([])
  })

  it('says why a bucket does not answer', () =>
    withS3(async (s3) => {
      s3.refusals = 1
      const put = () =>
        openStore('s3://pictures/of').put('job_1/1-0.png', Promise.resolve(Buffer.from('x')), 'image/png')
      await expect(put()).rejects.toThrow(
        "Expected store 's3://pictures/of' to keep job_1/1-0.png but received AccessDenied (HTTP 403)",
      )
      process.env.AWS_ENDPOINT_URL_S3 = 'http://localhost:1'
      await expect(put()).rejects.toThrow(/^Expected store 's3:\/\/pictures\/of' .* received .*ECONNREFUSED/)
    }))

  it('refuses a bucket without a name', () => {
    expect(() => openStore('s3://')).toThrow(
      expect.objectContaining({ code: 'ERR_WUERSTCHEN_INVALID_ARGUMENT' }),
    )
  })
})

describeQueue('a queue with pictures on S3', () => {
  it('tries again what the store refused, and removes what expired', () =>
    withS3(async (s3) => {
      await using room = await QueueRoom.open('s3://pictures/of/ours')
      const served = await room.server()
      await room.worker()
      await served.server.backend.ready()
      s3.refusals = 1
      const { job } = await served.submit({ ...SHORT, n: 2 })
      const events = await served.follow(job.id)
      expect(events.at(-1)?.event).toBe('done')
      expect(events.filter(({ event }) => event === 'image')).toHaveLength(2)
      // Once more for each time that the machine stood still for longer than a lock.
      expect(Number((await room.record(job.id)).attempt)).toBeGreaterThanOrEqual(2)
      expect(s3.refusals).toBeLessThan(0)
      const { images } = await served.job(job.id)
      const picture = await fetch(images[0].url)
      expect(picture.headers.get('content-type')).toBe('image/png')
      expect((await picture.arrayBuffer()).byteLength).toBe(images[0].bytes)
      expect([...s3.objects.keys()].every((key) => key.startsWith(`/pictures/of/ours/${job.id}/`))).toBe(true)
      await room.client.zadd('{wuerstchen}:expiry', 'XX', 1, job.id) // its time to live is over
      await until(() => s3.objects.size === 0)
    }))

  it.each([
    ['gives up after maxAttempts', SHORT],
    [
      'counts no try that a pause of the machine cut short',
      { ...SHORT, prior_num_inference_steps: 1000, num_inference_steps: 1000 },
    ],
  ])('%s', (_name, body) =>
    withS3(async (s3) => {
      await using room = await QueueRoom.open('s3://pictures')
      const served = await room.server()
      const worker = await room.worker('--max-attempts', '2')
      await served.server.backend.ready()
      s3.refusals = 10
      const { job } = await served.submit(body)
      if (body !== SHORT) {
        await served.untilStatus(job.id, 'running')
        await until(async () => (await room.client.del(await room.client.keys('*:lock'))) > 0)
      }
      const events = await served.follow(job.id)
      expect(events.at(-1)).toMatchObject({
        event: 'error',
        data: { error: { code: 'ERR_WUERSTCHEN_STORE_FAILED' } },
      })
      expect(JSON.stringify(events)).not.toContain('s3:')
      const log = worker.output().split('\n')
      const failed = JSON.parse(log.find((line) => line.includes('attempt failed')) ?? '{}')
      expect(failed).toMatchObject({ job: job.id, code: 'ERR_WUERSTCHEN_STORE_FAILED', err: {} })
      expect(failed.err.message).toMatch(
        /^Expected store 's3:\/\/pictures' to keep job_.*-0\.png but received .*HTTP/,
      )
      // Its attempts are more where the machine stood still for longer than a lock: those are not counted.
      expect(await room.record(job.id)).toMatchObject({ faults: '1', status: 'failed' })
    }),
  )
})

describeQueue('a server with another store', () => {
  afterEach(removeFolders)

  it('is never ready, says so whenever it is asked, and logs it', async () => {
    await using room = await QueueRoom.open()
    await room.server()
    await until(async () => (await room.client.get('{wuerstchen}:store')) !== null)
    const { logger, errors } = writtenLog()
    const { server } = await room.server({ store: folderOf({}), logger })
    const refusal = /Expected store to be the one of this queue/
    await expect(server.backend.ready()).rejects.toThrow(refusal)
    // Who asks after it failed hears the same.
    await expect(server.backend.ready()).rejects.toThrow(refusal)
    expect(server.backend.state).toMatchObject({ name: 'failed', message: expect.stringMatching(refusal) })
    expect(errors()).toMatchObject([{ err: { code: 'ERR_WUERSTCHEN_INVALID_ARGUMENT' } }])
  })
})

describeQueue('a worker with another store', () => {
  it('does not start', async () => {
    await using room = await QueueRoom.open()
    const served = await room.server()
    await until(async () => (await room.client.get('{wuerstchen}:store')) !== null)
    await expect(room.worker('--store', folderOf({}))).rejects.toThrow(
      /Expected store to be the one of this queue/,
    )
    expect(served.server.backend.state.name).toBe('loading')
    removeFolders()
  })
})

describeQueue('a queue whose broker forgets everything', () => {
  afterEach(removeFolders)
  const KEY = '{wuerstchen}:store'

  it('has the same store afterwards, as a server or a worker that runs says', async () => {
    await using room = await QueueRoom.open()
    const served = await room.server()
    const worker = await room.worker()
    await served.server.backend.ready()
    const store = await room.client.get(KEY)
    await room.client.flushall()
    await until(async () => (await room.client.get(KEY)) === store)
    await expect(room.worker('--store', folderOf({}))).rejects.toThrow(
      /Expected store to be the one of this queue/,
    )
    await served[Symbol.asyncDispose]()
    await room.client.flushall()
    await until(async () => (await room.client.get(KEY)) === store)
    await worker.stop()
  })

  it('gives no job to a worker of another store, nor takes one, until the store is right again', async () => {
    await using room = await QueueRoom.open()
    const { logger, errors } = writtenLog()
    const served = await room.server({ logger })
    const worker = await room.worker()
    const { backend } = served.server
    await backend.ready()
    const store = (await room.client.get(KEY)) as string
    await room.client.set(KEY, 'folder another')
    await until(() => backend.state.name === 'failed')
    expect(errors()).toMatchObject([
      { msg: 'this server takes no jobs: the queue has another store', err: { message: expect.any(String) } },
    ])
    expect(await worker.says('this worker takes no jobs: the queue has another store')).toBe(true)
    expect(await room.client.hlen('{wuerstchen}:workers')).toBe(0)
    expect((await served.submit()).status).toBe(503)
    await room.client.set(KEY, store)
    await until(() => backend.state.name === 'ready')
    expect(await worker.says('the store is the one of the queue again')).toBe(true)
    const { job } = await served.submit()
    await served.untilStatus(job.id, 'succeeded')
  })

  it('answers 503 for a picture that its record names and the store has not, and logs it', async () => {
    await using room = await QueueRoom.open()
    const { logger, lines } = writtenLog()
    const served = await room.server({ logger })
    await room.worker()
    await served.server.backend.ready()
    const { job } = await served.submit()
    await served.untilStatus(job.id, 'succeeded')
    rmSync(join(room.store, job.id), { recursive: true })
    const { images } = await served.job(job.id)
    const answer = await fetch(images[0].url)
    expect([answer.status, ((await answer.json()) as Json).error.code]).toEqual([
      503,
      'ERR_WUERSTCHEN_STORE_FAILED',
    ])
    expect(lines().find(({ msg }) => msg === 'the store failed')).toMatchObject({ job: job.id, index: 0 })
  })
})
