/** The networks of a model, by name, and how each runs. */
import { bug } from '../errors'
import type { Component, ModelFiles } from '../model/layout'
import type { Stage } from '../stages/stage'
import { type NetworkRun, type StageRuns, unshared } from './dtypes'

export type ComponentName = keyof ModelFiles['components']

/** In the order in which a picture needs them. */
const COMPONENTS = ['priorTextEncoder', 'prior', 'decoderTextEncoder', 'decoder', 'vqgan'] as const

/** The networks that a model has. */
export function namesOf({ components }: ModelFiles): readonly ComponentName[] {
  return components.previewer === undefined ? COMPONENTS : [...COMPONENTS, 'previewer']
}

/** One of each network that every model has, and perhaps of the previewer. */
export type OfEach<Value> = Readonly<Record<(typeof COMPONENTS)[number], Value> & { previewer?: Value }>

export function componentOf({ components }: ModelFiles, name: ComponentName): Component {
  const component = components[name]
  if (component === undefined) throw bug(`Expected the model to have a ${name}.`)
  return component
}

const STAGE_OF: Readonly<Record<ComponentName, Stage>> = {
  priorTextEncoder: 'prior',
  prior: 'prior',
  previewer: 'prior',
  decoderTextEncoder: 'decoder',
  decoder: 'decoder',
  vqgan: 'vqgan',
}

export function runIn(stages: StageRuns, name: ComponentName): NetworkRun {
  if (name === 'priorTextEncoder') return stages.prior.text
  if (name === 'decoderTextEncoder') return stages.decoder.text
  const run = stages[STAGE_OF[name]]
  return name === 'previewer' ? unshared(run) : run
}
