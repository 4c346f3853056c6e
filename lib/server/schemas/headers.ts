/** Headers of ours, for validation and document alike. */
import { type Static, Type } from '@sinclair/typebox'

/** The longest that `maxTimeoutSeconds` may be. */
const LONGEST_MS = 86_400_000

const timeout = Type.Optional(
  Type.Integer({
    minimum: 1,
    maximum: LONGEST_MS,
    description:
      "Milliseconds after which the job is ended, from its arrival. At most the server's maxTimeoutSeconds, which is the default.",
  }),
)

const key = Type.Optional(
  Type.String({
    pattern: '^[!-~]{1,255}$',
    'x-expected': '1 to 255 visible ASCII characters',
    description:
      'Visible ASCII characters of your choice. The same key again is the same job, which is made once, until the job expires.',
  }),
)

export const TimeoutHeaders = Type.Object({ 'wuerstchen-timeout-ms': timeout })
export const JobHeaders = Type.Object({ 'idempotency-key': key, 'wuerstchen-timeout-ms': timeout })
export type JobHeaders = Static<typeof JobHeaders>
