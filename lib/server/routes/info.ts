import { Type } from '@sinclair/typebox'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { packageVersion } from '../../files/package-root'
import type { BackendModel } from '../backend'
import type { ServerConfig } from '../config/schema'
import { type Context, clientOf } from '../context'
import { HttpError } from '../errors'
import { Info } from '../schemas/jobs'
import { REFUSALS } from './refusals'

const Scales = Type.Record(
  Type.String({ minLength: 1, maxLength: 200 }),
  Type.Number({ minimum: -100, maximum: 100 }),
  {
    $id: 'LoraScales',
    maxProperties: 64,
    description: 'Scales by the names of loaded LoRAs.',
  },
)

/** What the page and other programs want to know before they ask. */
export function registerInfo(app: FastifyInstance, context: Context): void {
  app.addSchema(Info)
  app.addSchema(Scales)
  app.get(
    '/v1/info',
    {
      schema: {
        summary: 'Models, LoRAs and limits',
        tags: ['info'],
        response: { 200: Type.Ref(Info), ...REFUSALS },
      },
    },
    async (request) => infoOf(context, request),
  )
  app.put<{ Body: Record<string, number> }>(
    '/v1/loras',
    {
      schema: {
        summary: 'Set the scales of LoRAs',
        description: 'For all later pictures of all clients; only for keys with admin.',
        tags: ['info'],
        body: Type.Ref(Scales),
        response: { 200: Type.Ref(Info), ...REFUSALS },
      },
    },
    async (request) => {
      if (!clientOf(request).admin)
        throw new HttpError(
          'forbidden',
          'Expected a key with admin: scales of LoRAs change the pictures of all clients',
        )
      await context.backend.setLoraScales(request.body)
      request.log.info({ scales: request.body }, 'LoRA scales set')
      return infoOf(context, request)
    },
  )
}

function maxPixelsOf({ maxPixels }: ServerConfig, model: BackendModel): number {
  return Math.min(maxPixels, model.maxPixels ?? maxPixels)
}

function infoOf({ backend, config, keys }: Context, request: FastifyRequest): Info {
  const { models } = backend.info
  return {
    name: 'wuerstchen',
    version: packageVersion(),
    backend: backend.info.kind,
    models: models.map((model) => ({
      id: model.name,
      device: model.device,
      dtype: model.dtype,
      default_width: model.defaultWidth,
      default_height: model.defaultHeight,
      max_pixels: maxPixelsOf(config, model),
      previews: model.previews,
      loras: model.loras.map(({ name, scale }) => ({ name, scale })),
    })),
    limits: {
      max_prompt_characters: config.maxPromptCharacters,
      max_pixels:
        models.length === 0
          ? config.maxPixels
          : Math.max(...models.map((model) => maxPixelsOf(config, model))),
      max_steps: config.maxSteps,
      max_images: Math.min(config.maxImages, config.maxQueue),
      max_timeout_ms: config.maxTimeoutSeconds * 1000,
      max_body_bytes: config.maxBodyBytes,
      result_ttl_seconds: config.resultTtlSeconds,
    },
    auth: keys.required,
    admin: clientOf(request).admin,
  }
}
