import type { Executor } from '../engine/fleet'
import type { Loras } from '../loading/loras'

/** The same executor; its requests wait until weights that a failed change of LoRAs left without values have them again. */
export function settled(executor: Executor, loras: Pick<Loras, 'isSettled' | 'settle'>): Executor {
  const once = <T>(work: () => Promise<T>): Promise<T> =>
    loras.isSettled ? work() : executor.exclusive(() => loras.settle()).then(work)
  return {
    submit: (request, hooks) => once(() => executor.submit(request, hooks)),
    embed: (prompt) => once(() => executor.embed(prompt)),
    exclusive: (work) => executor.exclusive(work),
    dispose: (how) => executor.dispose(how),
    get changing() {
      return executor.changing
    },
    get statistics() {
      return executor.statistics
    },
  }
}
