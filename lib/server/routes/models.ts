import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import type { Context } from '../context'
import { HttpError } from '../errors'
import { Model, ModelList } from '../schemas/openai'
import { REFUSALS } from './refusals'

/** Pictures do not go in yet. The answer comes before the body is read: it may be large, and is not JSON. */
export function registerEdits(app: FastifyInstance): void {
  for (const what of ['edits', 'variations']) {
    app.post(
      `/v1/images/${what}`,
      {
        onRequest: async () => {
          throw new HttpError(
            'unsupported',
            `Expected POST /v1/images/generations: this server makes pictures of text, /v1/images/${what} needs a picture.`,
          )
        },
        schema: { summary: 'Not supported: answers 400', tags: ['openai'], response: REFUSALS },
      },
      async () => undefined,
    )
  }
}

export function registerModels(app: FastifyInstance, context: Context): void {
  const started = Math.floor(Date.now() / 1000)
  const view = (id: string) => ({ id, object: 'model' as const, created: started, owned_by: 'wuerstchen' })
  app.get(
    '/v1/models',
    {
      schema: {
        summary: 'Models',
        tags: ['openai'],
        response: { 200: Type.Ref(ModelList), ...REFUSALS },
      },
    },
    async () => ({ object: 'list' as const, data: namesOf(context).map(view) }),
  )
  app.get<{ Params: { id: string } }>(
    '/v1/models/:id',
    {
      schema: {
        summary: 'A model',
        tags: ['openai'],
        params: Type.Object({ id: Type.String({ maxLength: 200 }) }),
        response: { 200: Type.Ref(Model), ...REFUSALS },
      },
    },
    async ({ params }) => {
      checkModel(context, params.id)
      return view(params.id)
    },
  )
}

/** Every name that a request may call a model by. */
function namesOf({ backend, config }: Context): string[] {
  const names = [...backend.info.models.map(({ name }) => name), 'wuerstchen', ...config.modelAliases]
  return [...new Set(names)]
}

/** The model that a request names; null for any name that stands for the first one. */
export function checkModel(context: Context, model: string | null | undefined): string | null {
  const names = namesOf(context)
  const [, ...others] = context.backend.info.models.map(({ name }) => name)
  if (model == null || names.includes(model)) return others.find((name) => name === model) ?? null
  throw new HttpError(
    'model_not_found',
    `Expected model to be one of ${names.join(', ')} but received another name`,
    { param: 'model' },
  )
}
