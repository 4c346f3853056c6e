import { Type } from '@sinclair/typebox'

export const JobPath = Type.Object({ id: Type.String({ pattern: '^[A-Za-z0-9_-]{1,100}$' }) })
