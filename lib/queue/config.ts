/** What of a server's settings is the queue's. */
import { below, NO_HOME, ownCache } from '../files/caches'
import { InvalidArgumentError } from '../index'
import type { ServerConfig } from '../server'
import { Broker } from './broker'
import { openStore, type PictureStore } from './store'

/** The broker that the settings name. */
export function openBroker(
  { queue, queuePrefix }: Pick<ServerConfig, 'queue' | 'queuePrefix'>,
  patient: boolean,
): Broker {
  if (queue === undefined)
    throw new InvalidArgumentError('Expected queue to be an address such as redis://host:6379.', {
      details: { name: 'queue' },
    })
  return new Broker({ url: queue, prefix: queuePrefix, patient })
}

/** Without one: a folder of this machine, which is enough while everything runs on it. */
export function storeOf({ store }: Pick<ServerConfig, 'store'>): PictureStore {
  return openStore(store ?? below(ownCache(), 'pictures') ?? refuseHomeless())
}

function refuseHomeless(): never {
  throw new InvalidArgumentError(
    `Expected store to be given, for ${NO_HOME}: a folder that every worker sees, or s3://BUCKET`,
    { details: { name: 'store' } },
  )
}
