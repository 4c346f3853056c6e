'use strict'
// Clients in a network of their own: `node followers.js URL KEY COUNT` opens so many connections of each kind to a server, says
// "ready", and stays. Pulling the cable then leaves the server with ends that nobody holds any more.

const { connect } = require('node:net')
const { setTimeout: sleep } = require('node:timers/promises')

const [url, key, count] = process.argv.slice(2)
const { hostname, port } = new URL(url)
const authorization = `Authorization: Bearer ${key}\r\n`
const JOB = { prompt: 'a red circle', n: 4, prior_num_inference_steps: 1000, num_inference_steps: 1000 }

/** Resolves once the server has answered something; without a wait where it has nothing to answer yet. */
function open(first, answers = true) {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => {
      socket.write(first)
      if (!answers) resolve()
    })
    socket.once('data', resolve)
    socket.on('error', reject)
  })
}

async function main() {
  const answer = await fetch(`${url}/v1/jobs`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(JOB),
  })
  const { id } = await answer.json()
  const line = (path) => `GET ${path} HTTP/1.1\r\nHost: ${hostname}\r\n${authorization}`
  const kinds = [
    [`${line('/healthz')}\r\n`, true], // kept alive
    [`${line(`/v1/jobs/${id}/events`)}Accept: text/event-stream\r\n\r\n`, true],
    [
      `POST /v1/jobs HTTP/1.1\r\nHost: ${hostname}\r\n${authorization}Content-Type: application/json\r\nContent-Length: 99\r\n\r\n{`,
      false,
    ],
  ]
  for (const [first, answers] of kinds)
    await Promise.all(Array.from({ length: Number(count) }, () => open(first, answers)))
  await sleep(500) // the server's turn
  console.log('ready')
  await sleep(3_600_000)
}

main()
