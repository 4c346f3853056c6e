'use strict'
// A client of several servers that gives up on none: it asks another one, with the same key, and goes on after the last event.

const { setTimeout: sleep } = require('node:timers/promises')
const { createParser } = require('eventsource-parser')

class QueueClient {
  #servers
  #next = 0
  /** Answers and connections that failed on the way. */
  failures = 0

  /** @param {() => readonly string[]} servers addresses, in any order */
  constructor(servers) {
    this.#servers = servers
  }

  /** One job from its submission to its end: what was seen of it, and how long that took. */
  async job(key, body, headers = {}) {
    const began = performance.now()
    const { id } = await this.#submit(key, body, headers)
    const acceptedMs = performance.now() - began
    const seen = { id, images: [], ids: [], end: null, acceptedMs }
    while (seen.end === null) await this.#follow(seen, headers)
    return { ...seen, totalMs: performance.now() - began }
  }

  async picture(id, index) {
    return this.#persist(async (url) => {
      const answer = await fetch(`${url}/v1/jobs/${id}/images/${index}`)
      if (answer.status >= 500) throw new Error(String(answer.status))
      return answer.ok ? Buffer.from(await answer.arrayBuffer()) : null
    })
  }

  #submit(key, body, headers) {
    return this.#persist(async (url) => {
      const answer = await fetch(`${url}/v1/jobs`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': key, ...headers },
        body: JSON.stringify(body),
      })
      const job = await answer.json()
      if (answer.status !== 200 && answer.status !== 202) throw new Error(JSON.stringify(job))
      return job
    })
  }

  async #follow(seen) {
    await this.#persist(async (url) => {
      const headers = seen.ids.length === 0 ? {} : { 'last-event-id': seen.ids.at(-1) }
      const answer = await fetch(`${url}/v1/jobs/${seen.id}/events`, { headers })
      if (!answer.ok) throw new Error(String(answer.status))
      const parser = createParser({
        onEvent({ event, id, data }) {
          seen.ids.push(id)
          if (event === 'image') seen.images.push(JSON.parse(data).image.index)
          if (event === 'done' || event === 'error') seen.end = { event, ...JSON.parse(data) }
        },
      })
      const decoder = new TextDecoder()
      for await (const chunk of answer.body) parser.feed(decoder.decode(chunk, { stream: true }))
    })
  }

  async #persist(ask) {
    for (;;) {
      const servers = this.#servers()
      const url = servers[this.#next++ % servers.length]
      try {
        return await ask(url)
      } catch {
        this.failures += 1
        await sleep(100)
      }
    }
  }
}

module.exports = { QueueClient }
