import Ajv, { type AnySchema } from 'ajv'
import { mistakeOf } from './config/mistakes'
import { HttpError } from './errors'

interface Part {
  readonly schema: AnySchema
  readonly httpPart?: string
}

/**
 * Checks what comes in against the schemas of routes. A body is JSON and means what it says; paths, queries and headers are
 * text, of which numbers are made. The first mistake is the answer.
 */
export function buildValidator(shared: unknown) {
  const schemas = Object.values(shared as Record<string, object>)
  // Optimized code would take longer to make than it saves.
  const options = { schemas, verbose: true, strict: false, code: { optimize: false } } as const
  const body = new Ajv(options)
  const text = new Ajv({ ...options, coerceTypes: true, useDefaults: true })
  return ({ schema, httpPart = 'body' }: Part) => {
    const validate = (httpPart === 'body' ? body : text).compile(schema)
    return (data: unknown) => {
      if (validate(data)) return { value: data }
      const [first] = validate.errors ?? []
      if (first === undefined) return { error: new HttpError('invalid_request', 'Expected another request') }
      const { name, message } = mistakeOf(first, httpPart === 'body' ? 'the body' : `the ${httpPart}`)
      return { error: new HttpError('invalid_request', message, { param: name }) }
    }
  }
}
