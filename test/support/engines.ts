import { Engine } from '../../lib/engine/engine'
import type { FinishedImage } from '../../lib/engine/outcome'
import type { FakeDevice } from './fake-device'
import { fakeModel, fakeRequest } from './fake-model'

export const LIMITS = { maxRows: 8, maxQueue: 100 }

/** A fake device's pace says nothing. */
export const ANY_WIDTH = { record: () => undefined, widest: () => Number.POSITIVE_INFINITY }

export function start(limits: Partial<typeof LIMITS> = {}): { engine: Engine; device: FakeDevice } {
  const model = fakeModel()
  return { engine: new Engine(model, { ...LIMITS, ...limits }, ANY_WIDTH), device: model.device }
}

export function greys(images: readonly FinishedImage[]): number[] {
  return images.map(({ pixels }) => pixels?.data[0] ?? -1)
}

/** What stays allocated between requests: a modulation per stage. */
export const CACHED = 2

export async function alone(options: Parameters<typeof fakeRequest>[0]): Promise<number[]> {
  return greys(await start().engine.submit(fakeRequest(options)))
}
