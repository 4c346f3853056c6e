import { Type } from '@sinclair/typebox'
import { ErrorBody } from '../schemas/pictures'

/** What every route may answer instead: all in one shape. */
export const REFUSALS = { '4xx': Type.Ref(ErrorBody), '5xx': Type.Ref(ErrorBody) }
