import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import Ajv from 'ajv'
import { ROOT } from '../../bench/support/reference'
import { allEventsOf, type Json, serveFake } from '../support/http-server'

const document: Json = JSON.parse(readFileSync(join(ROOT, 'docs', 'openapi.json'), 'utf8'))

describe('docs/openapi.json', () => {
  it('is what a server serves (npm run openapi)', async () => {
    await using served = await serveFake()
    expect(await (await served.get('/openapi.json')).json()).toEqual(document)
  })

  it('has every route but the page, the metrics and itself', async () => {
    const paths = Object.entries<object>(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    )
    expect(paths.sort()).toEqual([
      'delete /v1/jobs/{id}',
      'get /healthz',
      'get /readyz',
      'get /v1/info',
      'get /v1/jobs',
      'get /v1/jobs/{id}',
      'get /v1/jobs/{id}/events',
      'get /v1/jobs/{id}/images/{index}',
      'get /v1/models',
      'get /v1/models/{id}',
      'post /v1/images/edits',
      'post /v1/images/generations',
      'post /v1/images/variations',
      'post /v1/jobs',
      'post /v1/jobs/{id}/cancel',
      'put /v1/loras',
    ])
  })
})

describe('answers', () => {
  const ajv = new Ajv({ strict: false, allErrors: true })
  ajv.addSchema(document, 'document')
  const expectShape = (name: string, value: unknown) => {
    const validate = ajv.compile(closed(document.components.schemas[name]))
    validate(value)
    expect({ name, errors: validate.errors }).toEqual({ name, errors: null })
  }

  it('have the shapes of the document, and no field more', async () => {
    await using served = await serveFake()
    const json = async (path: string) => (await served.get(path)).json()
    expectShape('Health', await json('/healthz'))
    expectShape('Readiness', await json('/readyz'))
    expectShape('Info', await json('/v1/info'))
    expectShape('ModelList', await json('/v1/models'))
    expectShape('Error', await json('/v1/jobs/none'))
    const body = { prompt: 'x', prior_num_inference_steps: 3, num_inference_steps: 2, preview_every: 1 }
    const job = await (await served.post('/v1/jobs', body)).json()
    expectShape('Job', job)
    const names = { queued: 'Queued', step: 'Step', preview: 'Preview', image: 'Image', done: 'Done' }
    const events = await allEventsOf(await served.get(`/v1/jobs/${job.id}/events`))
    for (const { event, data } of events) expectShape(`Job${names[event as keyof typeof names]}Event`, data)
    expect(events.map(({ event }) => event)).toEqual(
      expect.arrayContaining(['queued', 'step', 'image', 'done']),
    )
    expectShape('Job', await json(`/v1/jobs/${job.id}`))
    expectShape('JobList', await json('/v1/jobs'))
    const picture = await served.post('/v1/images/generations', { prompt: 'x' })
    expectShape('ImagesResponse', await picture.json())
    const stream = await served.post('/v1/images/generations', {
      prompt: 'x',
      stream: true,
      partial_images: 1,
    })
    for (const { event, data } of await allEventsOf(stream)) {
      const partial = event === 'image_generation.partial_image'
      expectShape(partial ? 'ImagesPartialEvent' : 'ImagesCompletedEvent', data)
    }
  })

  /** The same schema, which refuses fields that it does not name; references lead into the document. */
  function closed(schema: Json): Json {
    if (Array.isArray(schema)) return schema.map(closed)
    if (typeof schema !== 'object' || schema === null) return schema
    const copy = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value)]))
    if (typeof copy.$ref === 'string')
      return closed(document.components.schemas[copy.$ref.split('/').at(-1) ?? ''])
    return 'properties' in copy && !('additionalProperties' in copy)
      ? { ...copy, additionalProperties: false }
      : copy
  }
})
