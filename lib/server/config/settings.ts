/** The settings of schema.ts as programs write them, with what editors show of each. A test keeps the two equal. */
import type { KeyConfig, LoraConfig } from './schema'

/** Settings of a server or a worker; all may be left out. */
export interface ServerSettings {
  /** Address to listen on. Any but a loopback address needs keys. Defaults to `127.0.0.1`. */
  readonly host?: string
  /** Port to listen on; 0 takes a free one. 0 to 65,535. Defaults to `8080`. */
  readonly port?: number
  /** Address that clients see, for the URLs of pictures. Defaults to that of each request. */
  readonly publicUrl?: string
  /** Whether X-Forwarded-* headers are believed: only behind a proxy that sets them. Defaults to `false`. */
  readonly trustProxy?: boolean
  /** API keys. With none, no key is required, and the address must be a loopback one. */
  readonly keys?: readonly KeyConfig[]
  /** Signs the addresses of pictures; the same on all servers of one queue. Defaults to a random one. */
  readonly urlSecret?: string
  /** Origins of web pages that may call this server, such as https://example.org; '*' is all. */
  readonly cors?: readonly string[]
  /** A model's id on the hub, or its decoder's folder. Defaults to the model of this package. */
  readonly model?: string
  /** The prior's id or folder. Defaults to the one that the model card names. */
  readonly prior?: string
  /** Other names that requests may call the model by, such as gpt-image-1. */
  readonly modelAliases?: readonly string[]
  /** LoRAs to load at start. */
  readonly loras?: readonly LoraConfig[]
  /** Folder with exported graphs, beside those of this package. */
  readonly graphs?: string
  /** auto, cpu, cpu:0, cuda, cuda:1 or mps; several are separated by commas. Defaults to auto. */
  readonly device?: string
  /** What the networks compute in. Defaults to `auto`. */
  readonly dtype?: 'auto' | 'float32' | 'bfloat16' | 'float16' | 'int8'
  /** How networks run on a CPU. With 'shared' the processes of a machine share packed weights. Defaults to `auto`. */
  readonly kernels?: 'auto' | 'packed' | 'shared' | 'mapped' | 'off'
  /** What is kept in memory of the weights. Defaults to `none`. */
  readonly offload?: 'none' | 'model' | 'sequential'
  /** Folder of converted and shared weights. Defaults to `weights` in WUERSTCHEN_CACHE or ~/.cache/wuerstchen. */
  readonly weightsCache?: string
  /** CPU threads. Defaults to the cores there are. 1 to 1,024. */
  readonly threads?: number
  /** Bytes that weights and tensors may take on each device. Defaults to no limit. 1 to 1,125,899,906,842,624. */
  readonly maxMemory?: number
  /** Batch entries of one native call; a guided picture takes two. 1 to 1,024. Defaults to `8`. */
  readonly maxBatchRows?: number
  /** Folder of libtorch. Defaults to a search, see 'wuerstchen doctor'. */
  readonly libtorch?: string
  /** Redis or Valkey that workers take jobs from, such as redis://host:6379. Defaults to none. */
  readonly queue?: string
  /** First part of all keys in it: queues of other names know nothing of each other. Defaults to `wuerstchen`. */
  readonly queuePrefix?: string
  /** Replicas of it that must have a job before the job is accepted. 0 to 100. Defaults to `0`. */
  readonly queueReplicas?: number
  /**
   * Where a queue's pictures lie: a folder that all its servers and workers see, or s3://bucket/prefix. Defaults to
   * `pictures` in WUERSTCHEN_CACHE or ~/.cache/wuerstchen.
   */
  readonly store?: string
  /** Jobs of a queue that a worker takes at once. 1 to 1,024. Defaults to `8`. */
  readonly concurrency?: number
  /**
   * How long /v1/images/generations waits while no worker of the queue answers; then it is 503. 0 to 86,400. Defaults to
   * `30`.
   */
  readonly workerWaitSeconds?: number
  /** Tries of a job that failed by a fault of its machine. 1 to 100. Defaults to `3`. */
  readonly maxAttempts?: number
  /** Workers that a job may be lost with before it is set aside. 1 to 100. Defaults to `3`. */
  readonly maxWorkersLost?: number
  /**
   * Port where a worker answers /healthz, /readyz and /metrics; 0 takes a free one. Defaults to none. 0 to 65,535.
   */
  readonly workerPort?: number
  /** A worker that is silent for so long loses its jobs to others. 1 to 3,600. Defaults to `10`. */
  readonly queueLockSeconds?: number
  /** Pictures that may wait or run at once; more are refused with 429. 1 to 1,000,000. Defaults to `256`. */
  readonly maxQueue?: number
  /** Unfinished jobs that one key may have. 1 to 100,000. Defaults to `64`. */
  readonly maxJobsPerKey?: number
  /** Requests of one key, or of one address without keys; 0 is no limit. 0 to 1,000,000. Defaults to `0`. */
  readonly requestsPerMinute?: number
  /** Bytes of a request. 1,024 to 16,777,216. Defaults to `262144`. */
  readonly maxBodyBytes?: number
  /** Characters of a prompt, and of a negative prompt. 1 to 32,000. Defaults to `4000`. */
  readonly maxPromptCharacters?: number
  /** Pixels of a picture, width times height. 4,096 to 16,777,216. Defaults to `4194304`. */
  readonly maxPixels?: number
  /** Steps of the prior, and of the decoder. 1 to 1,000. Defaults to `100`. */
  readonly maxSteps?: number
  /** Pictures of one request. 1 to 10. Defaults to `10`. */
  readonly maxImages?: number
  /** Open connections. 1 to 1,000,000. Defaults to `10000`. */
  readonly maxConnections?: number
  /** Longest life of a job; clients may ask for less. 1 to 86,400. Defaults to `600`. */
  readonly maxTimeoutSeconds?: number
  /** How long a finished job and its pictures are kept. 1 to 2,592,000. Defaults to `3600`. */
  readonly resultTtlSeconds?: number
  /**
   * Bytes of finished pictures kept in memory; at that no jobs are taken until some expire. 1,048,576 to
   * 1,125,899,906,842,624. Defaults to `536870912`.
   */
  readonly maxResultBytes?: number
  /** How long a client may take for a request's headers. 1 to 3,600. Defaults to `10`. */
  readonly headerTimeoutSeconds?: number
  /** How long a client may take for a whole request. 1 to 3,600. Defaults to `30`. */
  readonly bodyTimeoutSeconds?: number
  /** After SIGTERM: how long accepted jobs may take before they are ended. 0 to 86,400. Defaults to `25`. */
  readonly drainSeconds?: number
  /** Whether the page is served at '/'. Defaults to `true`. */
  readonly web?: boolean
  /**
   * /metrics: local is with a key, or from a loopback address without a proxy between; keyed with a key only. Defaults
   * to `local`.
   */
  readonly metrics?: 'local' | 'keyed' | 'open' | 'off'
  /** One JSON object a line on standard output. Prompts and keys are never logged. Defaults to `info`. */
  readonly logLevel?: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent'
}
