/** A conversation with a hub: its API, its files, and the token that it alone may see. */

import { warn } from '../checks/warn'
import { type Answer, isContent, readText, refusal, saidBy } from '../download/answer'
import { type Headers, HttpClient } from '../download/http'
import { shorten } from '../download/messages'
import { Passing } from '../download/network-error'
import { HubError, ModelError } from '../errors'
import type { HubSettings } from './settings'

export class HubClient {
  private readonly http: HttpClient
  private token: string | null

  constructor(
    readonly settings: HubSettings,
    signal: AbortSignal,
  ) {
    this.token = settings.token
    this.http = new HttpClient(settings.silenceMs, signal, settings.firstPauseMs)
  }

  close(): Promise<void> {
    return this.http.close()
  }

  /** A JSON answer of the hub's API, with its headers. */
  json(path: string, repository: string): Promise<{ value: unknown; headers: Answer['headers'] }> {
    return this.persist(async () => {
      const { body, headers } = await this.get(new URL(`${this.settings.endpoint}${path}`), repository)
      const text = await readText(body)
      try {
        return { value: JSON.parse(text), headers }
      } catch (cause) {
        throw new Passing(`Expected JSON of ${path} but received ${shorten(text)}`, null, cause)
      }
    })
  }

  readonly persist: HttpClient['persist'] = (attempt, progress) => this.http.persist(attempt, progress)

  /**
   * An address on the hub; the answer has content. A token that the hub refuses is left out where everybody may read: it is
   * often one that has expired.
   */
  async get(url: URL, repository: string, headers: Headers = {}): Promise<Answer> {
    const [answer, at] = await this.http.follow(url, headers, secretsOf(this.token))
    const asked = { repository, withToken: this.settings.token !== null }
    if (![401, 403].includes(answer.status) || this.token === null) return accepted(answer, at, asked)
    const [open, openAt] = await this.http.follow(url, headers)
    if (!isContent(open.status)) {
      await open.discard()
      return accepted(answer, at, asked)
    }
    await answer.discard()
    this.token = null
    warn(
      `${this.settings.endpoint} refused the token (${answer.status}) but shows ${repository} to everybody: it is read ` +
        'without one. Renew the token or remove it: option token, HF_TOKEN, or the file of the login.',
    )
    return accepted(open, openAt, asked)
  }
}

function secretsOf(token: string | null): Headers {
  return token === null ? {} : { authorization: `Bearer ${token}` }
}

interface Asked {
  readonly repository: string
  readonly withToken: boolean
}

/** The answer if it has content; else what it means on a hub is thrown. */
async function accepted(answer: Answer, url: URL, asked: Asked): Promise<Answer> {
  const { status, headers } = answer
  if (isContent(status)) return answer
  const said = await saidBy(answer, url)
  const code = headers['x-error-code']
  if (status === 404 || code === 'RepoNotFound' || code === 'RevisionNotFound') throw notFound(asked, said)
  if (status === 401 || status === 403) throw denied(asked, said)
  throw refusal(answer, said, `a file of ${asked.repository}`)
}

function notFound({ repository, withToken }: Asked, what: string): ModelError {
  const hint = withToken ? '' : ' If it is private, a token is needed (option token or HF_TOKEN).'
  return new ModelError('MODEL_NOT_FOUND', `Expected ${repository} to be on the hub but ${what}.${hint}`, {
    details: { repository },
  })
}

function denied({ repository, withToken }: Asked, what: string): HubError {
  const hint = withToken
    ? "The token that was sent does not open it: accept the model's conditions on its page, or use another."
    : 'Pass a token (option token or HF_TOKEN) of an account that may read it.'
  return new HubError('HUB_ACCESS_DENIED', `Expected ${repository} to be readable but ${what}. ${hint}`, {
    details: { repository },
  })
}
