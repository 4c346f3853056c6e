import { type Static, Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import { type Context, ownJob } from '../context'
import { HttpError } from '../errors'
import { JobPath } from './job-path'
import { REFUSALS } from './refusals'

const ImagePath = Type.Object({
  id: JobPath.properties.id,
  index: Type.Integer({ minimum: 0, maximum: 255 }),
})
const ImageQuery = Type.Object(
  { signature: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9_-]{1,100}$' })) },
  { additionalProperties: false },
)

export function registerPictures(app: FastifyInstance, context: Context): void {
  const binary = { schema: Type.Unsafe({ type: 'string', format: 'binary' }) }
  app.get<{ Params: Static<typeof ImagePath>; Querystring: Static<typeof ImageQuery> }>(
    '/v1/jobs/:id/images/:index',
    {
      // The signature of the address stands for a key.
      config: { public: true },
      schema: {
        summary: "A finished picture's bytes",
        description: 'By key, or by the signed address that the job shows.',
        tags: ['jobs'],
        params: ImagePath,
        querystring: ImageQuery,
        response: {
          200: {
            description: 'The picture',
            content: { 'image/png': binary, 'image/jpeg': binary, 'image/webp': binary },
          },
          ...REFUSALS,
        },
      },
    },
    async (request, reply) => {
      const { id, index } = request.params
      const { signature } = request.query
      if (signature === undefined) {
        request.client = context.keys.find(request.headers.authorization)
        await ownJob(context, request, id)
      } else if (!context.signer.matches(id, index, signature)) {
        throw new HttpError('forbidden', 'Expected the signature of this picture', { param: 'signature' })
      }
      const picture = await context.backend.picture(id, index)
      if (picture === null) throw new HttpError('not_found', 'Expected a finished picture but there is none')
      reply.header('cross-origin-resource-policy', 'cross-origin')
      return reply.type(picture.mediaType).send(Buffer.from(picture.data))
    },
  )
}
