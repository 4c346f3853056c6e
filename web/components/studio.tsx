import { useCallback, useRef, useState } from 'preact/hooks'
import type { Client } from '../api/client'
import type { ImageMetadata, Info } from '../api/types'
import type { Gallery as Pictures } from '../gallery/use-gallery'
import { useJobs } from '../jobs/use-jobs'
import { doubtOf } from '../settings/describe'
import { EMPTY, type Settings, settingsOf } from '../settings/settings'
import { Gallery } from './gallery'
import { JobList } from './job-list'
import { Loras } from './loras'
import { PictureDrop } from './picture-drop'
import { PromptForm } from './prompt-form'

export interface StudioProps {
  readonly client: Client
  readonly info: Info
  readonly gallery: Pictures
  readonly announce: (text: string) => void
  readonly onInfo: (info: Info) => void
}

/** Form, jobs and gallery of a server that lets this page in. */
export function Studio({ client, info, gallery, announce, onInfo }: StudioProps) {
  const [settings, setSettings] = useState<Settings>(EMPTY)
  const prompt = useRef<HTMLTextAreaElement>(null)
  const { jobs, submit, cancel, dismiss } = useJobs({ client, save: gallery.save, announce })
  const replay = useCallback(
    (metadata: ImageMetadata) => {
      setSettings(settingsOf(metadata))
      prompt.current?.focus()
      announce('The form has the settings of the picture.')
    },
    [announce],
  )
  const doubt = (metadata: ImageMetadata) =>
    doubtOf(metadata, { models: info.models.map(({ id }) => id), maxImages: info.limits.max_images })
  return (
    <div class="studio">
      <div class="make">
        <PromptForm
          settings={settings}
          onChange={setSettings}
          info={info}
          onSubmit={submit}
          promptRef={prompt}
        />
        <Loras client={client} info={info} onInfo={onInfo} announce={announce} />
      </div>
      <div class="made">
        <JobList jobs={jobs} onCancel={cancel} onDismiss={dismiss} />
        <Gallery gallery={gallery} announce={announce} onReplay={replay} doubt={doubt} />
      </div>
      <div class="tools">
        <PictureDrop onReplay={replay} doubt={doubt} announce={announce} />
      </div>
    </div>
  )
}
