import { useSession } from '../api/use-session'
import { useGallery } from '../gallery/use-gallery'
import { Announcer, useAnnouncer } from './announcer'
import { Gallery } from './gallery'
import { Header } from './header'
import { KeyForm } from './key-form'
import { ServerDown } from './server-down'
import { Studio } from './studio'

/** The whole page. The gallery is the browser's own: it is there even when the server is not. */
export function Page() {
  const session = useSession()
  const gallery = useGallery()
  const { text, announce } = useAnnouncer()
  const { state } = session
  return (
    <>
      <Header session={session} />
      <main>
        {state.name === 'connecting' && <p>Connecting …</p>}
        {state.name === 'locked' && <KeyForm refused={state.refused} onKey={session.useKey} />}
        {state.name === 'down' && <ServerDown message={state.message} onRetry={session.retry} />}
        {state.name === 'ready' ? (
          <Studio
            client={session.client}
            info={state.info}
            gallery={gallery}
            announce={announce}
            onInfo={session.setInfo}
          />
        ) : (
          <Gallery gallery={gallery} announce={announce} onReplay={null} doubt={() => null} />
        )}
      </main>
      <Announcer text={text} />
    </>
  )
}
