import Ajv from 'ajv'
import type { FastifyInstance } from 'fastify'
import { mistakeOf } from './config/mistakes'
import { HttpError } from './errors'

const STRICT = { verbose: true, strict: false, useDefaults: false, allErrors: false } as const

/** A body is JSON and means what it says; paths, queries and headers are text, of which numbers are made. */
export function useValidation(app: FastifyInstance): void {
  app.setValidatorCompiler(({ schema, httpPart }) => {
    const text = httpPart !== 'body'
    const ajv = new Ajv({ ...STRICT, coerceTypes: text, useDefaults: text })
    for (const shared of Object.values(app.getSchemas())) ajv.addSchema(shared as object)
    const validate = ajv.compile(schema as object)
    return (data: unknown) => {
      if (validate(data)) return { value: data }
      const [error] = validate.errors ?? []
      if (error === undefined) return { error: new HttpError('invalid_request', 'Expected another request') }
      const { name, message } = mistakeOf(error, 'the body')
      return { error: new HttpError('invalid_request', message, { param: name }) }
    }
  })
}
