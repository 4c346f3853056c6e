/** Who makes pictures: what workers say of themselves, and what servers learn of them. */
import { createHash } from 'node:crypto'
import { InvalidArgumentError, MemoryLimitError } from '../index'
import type { BackendModel, JobRequest } from '../server'
import type { Broker } from './broker'
import { ANSWER_MS } from './connection'

/** How often a worker says that it is there, and after how long a silence it is not. */
export const ANNOUNCE_MS = 2000
const SILENT_SECONDS = 8

/** What was there lately may come back: a rolling restart refuses no job. */
const REMEMBERED_SECONDS = 3600

export interface WorkerCard {
  readonly id: string
  readonly model: BackendModel
  /** The largest picture that it makes, width times height. */
  readonly maxPixels: number
  /** Jobs that it takes at once, and has. */
  readonly concurrency: number
  readonly running: number
  readonly picturesPerSecond: number | null
  /** False once it has said goodbye. */
  readonly here: boolean
}

export interface Roster {
  /** Those that answer. */
  readonly here: readonly WorkerCard[]
  /** And those that did so in the last hour. */
  readonly known: readonly WorkerCard[]
}

export const NOBODY: Roster = { here: [], known: [] }

/** @throws InvalidArgumentError where the queue has another store than the worker, which servers do not hear of then. */
export async function announce(broker: Broker, card: WorkerCard, store: string): Promise<void> {
  const known = await broker.script<string>(
    'announce',
    card.id,
    JSON.stringify(card),
    REMEMBERED_SECONDS,
    store,
  )
  checkStore(known, store)
}

/** A worker says that it goes. Resolves once that is heard, or when a broker that fell silent has had its time. */
export async function farewell(broker: Broker, card: WorkerCard, store: string): Promise<void> {
  let late: NodeJS.Timeout | undefined
  const heard = announce(broker, card, store).catch(() => undefined)
  const unheard = new Promise<void>((resolve) => {
    late = setTimeout(resolve, ANSWER_MS)
  })
  await Promise.race([heard, unheard]).finally(() => clearTimeout(late))
}

/** @throws InvalidArgumentError where the queue has another store. */
export async function readRoster(broker: Broker, store: string): Promise<Roster> {
  const [theirs, ...rows] = await broker.script<[string, ...(string | number)[]]>('roster', store)
  checkStore(theirs, store)
  const known: WorkerCard[] = []
  const here: WorkerCard[] = []
  for (let i = 0; i + 1 < rows.length; i += 2) {
    if (rows[i] === '') continue
    const card = JSON.parse(String(rows[i])) as WorkerCard
    known.push(card)
    if (card.here && Number(rows[i + 1]) <= SILENT_SECONDS) here.push(card)
  }
  return { here, known }
}

/** All of one queue have the same store: a picture that a server does not find is a mistake to be told of early. */
function checkStore(known: string, store: string): void {
  if (known === store) return
  throw new InvalidArgumentError(
    `Expected store to be the one of this queue, '${known}', but it is '${store}'. A queue of another store has another queuePrefix.`,
    { details: { name: 'store' } },
  )
}

/** The models of a roster, each once: the preferred one first, then by name. */
export function modelsOf({ here, known }: Roster, preferred: string | undefined): BackendModel[] {
  const byName = new Map(
    [...known, ...here].map(({ model }) => [model.name, { ...model, maxPixels: largest(known, model.name) }]),
  )
  const rank = ({ name }: BackendModel) => (name === preferred ? 0 : 1)
  return [...byName.values()].sort((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1))
}

function largest(cards: readonly WorkerCard[], name: string): number {
  return Math.max(...cards.filter(({ model }) => model.name === name).map(({ maxPixels }) => maxPixels))
}

/** Sizes that workers of a model stop at, smallest first: each has a queue of its own. */
export function limitsOf(roster: Roster, model: string): number[] {
  const limits = roster.known.filter((card) => card.model.name === model).map(({ maxPixels }) => maxPixels)
  return [...new Set(limits)].sort((a, b) => a - b)
}

/**
 * The queue that a job goes to: of its model, and of the smallest workers that can make its size. Larger ones take from it,
 * too, so a job waits for nobody who could not make it.
 */
export function queueFor(roster: Roster, model: BackendModel, { options }: JobRequest): string {
  const { width = model.defaultWidth, height = model.defaultHeight } = options
  const limits = limitsOf(roster, model.name)
  const limit = limits.find((pixels) => pixels >= width * height)
  if (limit !== undefined) return queueOf(model.name, limit)
  throw new MemoryLimitError(
    `Expected a picture of at most ${limits.at(-1) ?? 0} pixels, which the largest worker makes, but received ${width}x${height}`,
    { details: { name: 'width' } },
  )
}

/** BullMQ's name of it: a name for people, and a hash, because a model's name may be anything. */
export function queueOf(model: string, maxPixels: number): string {
  const hash = createHash('sha256').update(model).digest('hex').slice(0, 8)
  const name = model.replace(/[^A-Za-z0-9.-]+/g, '_').slice(-40)
  return `${name}-${hash}-${maxPixels}`
}

export function modelNamed(models: readonly BackendModel[], name: string | null): BackendModel {
  const model = name === null ? models[0] : models.find((one) => one.name === name)
  if (model !== undefined) return model
  throw new InvalidArgumentError(`Expected model to be one that workers have but received '${name}'`, {
    details: { name: 'model' },
  })
}

/** Since when each model that is known has no worker that answers. */
export function absentOf(
  { here }: Roster,
  models: readonly BackendModel[],
  before: ReadonlyMap<string, number>,
): ReadonlyMap<string, number> {
  const present = new Set(here.map(({ model }) => model.name))
  const gone = models.filter(({ name }) => !present.has(name))
  return new Map(gone.map(({ name }) => [name, before.get(name) ?? Date.now()]))
}
