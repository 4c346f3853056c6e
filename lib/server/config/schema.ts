/**
 * All settings of a server, in one table: names, ranges and defaults of the configuration file (JSON), of the environment
 * (`maxQueue` is WUERSTCHEN_SERVE_MAX_QUEUE) and of the flags (`--max-queue`). docs/server.md prints it; a test keeps it so.
 */
import { type Static, Type } from '@sinclair/typebox'
import { oneOf } from '../schemas/kinds'

const text = (description: string, options: object = {}) =>
  Type.Optional(Type.String({ minLength: 1, description, ...options }))
const integer = (description: string, minimum: number, maximum: number, standard: number) =>
  Type.Integer({ minimum, maximum, default: standard, description })

export const KeyConfig = Type.Object(
  {
    name: Type.String({
      pattern: '^[A-Za-z0-9._-]{1,64}$',
      'x-expected': '1 to 64 letters, digits, dots, hyphens or underscores',
      description: 'Names the client in logs and metrics, and owns its jobs.',
    }),
    sha256: Type.String({
      pattern: '^[0-9a-f]{64}$',
      'x-expected': 'a SHA-256 hash of 64 hexadecimal digits',
      description: "SHA-256 of the key, as 'wuerstchen key' prints it. The key itself is stored nowhere.",
    }),
    priority: Type.Optional(
      Type.Integer({
        minimum: -10,
        maximum: 10,
        default: 0,
        description: 'Of its jobs, and the most that they may ask for.',
      }),
    ),
    maxJobs: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 100_000, description: 'Instead of maxJobsPerKey.' }),
    ),
    requestsPerMinute: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 1_000_000, description: 'Instead of requestsPerMinute.' }),
    ),
    admin: Type.Optional(
      Type.Boolean({ default: false, description: 'Whether it may set the scales of LoRAs.' }),
    ),
  },
  { additionalProperties: false },
)
export type KeyConfig = Static<typeof KeyConfig>

export const LoraConfig = Type.Object(
  {
    path: Type.String({ minLength: 1, description: 'A .safetensors file.' }),
    name: Type.Optional(Type.String({ minLength: 1, description: "Defaults to the file's name." })),
    scale: Type.Optional(Type.Number({ minimum: -100, maximum: 100, default: 1 })),
  },
  { additionalProperties: false },
)
export type LoraConfig = Static<typeof LoraConfig>

export const ServerConfig = Type.Object(
  {
    host: Type.String({
      minLength: 1,
      default: '127.0.0.1',
      description: 'Address to listen on. Any but a loopback address needs keys.',
    }),
    port: integer('Port to listen on; 0 takes a free one.', 0, 65_535, 8080),
    publicUrl: text('Address that clients see, for the URLs of pictures. Defaults to that of each request.', {
      pattern: '^https?://[^/?#\\s]+(/[^?#\\s]*)?$',
      'x-expected': 'an http or https address without query',
    }),
    trustProxy: Type.Boolean({
      default: false,
      description: 'Whether X-Forwarded-* headers are believed: only behind a proxy that sets them.',
    }),
    keys: Type.Array(KeyConfig, {
      default: [],
      maxItems: 10_000,
      description: 'API keys. With none, no key is required, and the address must be a loopback one.',
    }),
    urlSecret: text(
      'Signs the addresses of pictures; the same on all servers of one queue. Defaults to a random one.',
      {
        minLength: 32,
      },
    ),
    cors: Type.Array(
      Type.String({
        pattern: '^(\\*|https?://[^/\\s]+)$',
        'x-expected': '* or an origin such as https://example.org',
      }),
      {
        default: [],
        maxItems: 100,
        description:
          "Origins of web pages that may call this server, such as https://example.org; '*' is all.",
      },
    ),

    model: text("A model's id on the hub, or its decoder's folder. Defaults to the model of this package."),
    prior: text("The prior's id or folder. Defaults to the one that the model card names."),
    modelAliases: Type.Array(Type.String({ minLength: 1, maxLength: 200 }), {
      default: [],
      description: 'Other names that requests may call the model by, such as gpt-image-1.',
    }),
    loras: Type.Array(LoraConfig, { default: [], maxItems: 64, description: 'LoRAs to load at start.' }),
    graphs: text('Folder with exported graphs, beside those of this package.'),
    device: text('auto, cpu, cpu:0, cuda, cuda:1 or mps; several are separated by commas. Defaults to auto.'),
    dtype: oneOf(['auto', 'float32', 'bfloat16', 'float16', 'int8'], {
      default: 'auto',
      description: 'What the networks compute in.',
    }),
    kernels: oneOf(['auto', 'packed', 'shared', 'mapped', 'off'], {
      default: 'auto',
      description:
        "How networks run on a CPU. With 'shared' the processes of a machine share packed weights.",
    }),
    offload: oneOf(['none', 'model', 'sequential'], {
      default: 'none',
      description: 'What is kept in memory of the weights.',
    }),
    weightsCache: text(
      'Folder of converted and shared weights. Defaults to `weights` in WUERSTCHEN_CACHE or ~/.cache/wuerstchen.',
    ),
    threads: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1024,
        description: 'CPU threads. Defaults to the cores there are.',
      }),
    ),
    maxMemory: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 2 ** 50,
        description: 'Bytes that weights and tensors may take on each device. Defaults to no limit.',
      }),
    ),
    maxBatchRows: integer('Batch entries of one native call; a guided picture takes two.', 1, 1024, 8),
    libtorch: text("Folder of libtorch. Defaults to a search, see 'wuerstchen doctor'."),
    // What it may be is in broker-address.ts.
    queue: text('Redis or Valkey that workers take jobs from, such as redis://host:6379. Defaults to none.'),
    queuePrefix: Type.String({
      default: 'wuerstchen',
      pattern: '^[A-Za-z0-9._-]{1,64}$',
      'x-expected': '1 to 64 letters, digits, dots, hyphens or underscores',
      description: 'First part of all keys in it: queues of other names know nothing of each other.',
    }),
    queueReplicas: integer('Replicas of it that must have a job before the job is accepted.', 0, 100, 0),
    store: text(
      "Where a queue's pictures lie: a folder that all its servers and workers see, or s3://bucket/prefix. Defaults to `pictures` in WUERSTCHEN_CACHE or ~/.cache/wuerstchen.",
    ),
    concurrency: integer('Jobs of a queue that a worker takes at once.', 1, 1024, 8),
    workerWaitSeconds: integer(
      'How long /v1/images/generations waits while no worker of the queue answers; then it is 503.',
      0,
      86_400,
      30,
    ),
    maxAttempts: integer('Tries of a job that failed by a fault of its machine.', 1, 100, 3),
    maxWorkersLost: integer('Workers that a job may be lost with before it is set aside.', 1, 100, 3),
    workerPort: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 65_535,
        description:
          'Port where a worker answers /healthz, /readyz and /metrics; 0 takes a free one. Defaults to none.',
      }),
    ),
    queueLockSeconds: integer('A worker that is silent for so long loses its jobs to others.', 1, 3600, 10),

    maxQueue: integer('Pictures that may wait or run at once; more are refused with 429.', 1, 1_000_000, 256),
    maxJobsPerKey: integer('Unfinished jobs that one key may have.', 1, 100_000, 64),
    requestsPerMinute: integer(
      'Requests of one key, or of one address without keys; 0 is no limit.',
      0,
      1_000_000,
      0,
    ),
    maxBodyBytes: integer('Bytes of a request.', 1024, 16_777_216, 262_144),
    maxPromptCharacters: integer('Characters of a prompt, and of a negative prompt.', 1, 32_000, 4000),
    maxPixels: integer('Pixels of a picture, width times height.', 4096, 16_777_216, 4_194_304),
    maxSteps: integer('Steps of the prior, and of the decoder.', 1, 1000, 100),
    maxImages: integer('Pictures of one request.', 1, 10, 10),
    maxConnections: integer('Open connections.', 1, 1_000_000, 10_000),
    maxTimeoutSeconds: integer('Longest life of a job; clients may ask for less.', 1, 86_400, 600),
    resultTtlSeconds: integer('How long a finished job and its pictures are kept.', 1, 2_592_000, 3600),
    maxResultBytes: integer(
      'Bytes of finished pictures kept in memory; at that no jobs are taken until some expire.',
      1_048_576,
      2 ** 50,
      536_870_912,
    ),
    headerTimeoutSeconds: integer("How long a client may take for a request's headers.", 1, 3600, 10),
    bodyTimeoutSeconds: integer('How long a client may take for a whole request.', 1, 3600, 30),
    drainSeconds: integer(
      'After SIGTERM: how long accepted jobs may take before they are ended.',
      0,
      86_400,
      25,
    ),

    web: Type.Boolean({ default: true, description: "Whether the page is served at '/'." }),
    metrics: oneOf(['local', 'keyed', 'open', 'off'], {
      default: 'local',
      description:
        '/metrics: local is with a key, or from a loopback address without a proxy between; keyed with a key only.',
    }),
    logLevel: oneOf(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], {
      default: 'info',
      description: 'One JSON object a line on standard output. Prompts and keys are never logged.',
    }),
  },
  { $id: 'ServerConfig', additionalProperties: false },
)
export type ServerConfig = Static<typeof ServerConfig>
