'use strict'
// A process of bench/download.js: loads one model so many times at once, and tells how long it took and what memory.

const { fetchSnapshot } = require('../../dist/hub/snapshot')

async function main([endpoint, cacheDir, repository, loads]) {
  const settings = {
    endpoint,
    token: null,
    cacheDir,
    cacheSetting: 'bench',
    offline: false,
    silenceMs: 30_000,
  }
  const started = performance.now()
  const fetches = Array.from({ length: Number(loads) }, () =>
    fetchSnapshot({ repository, revision: 'main' }, { settings }),
  )
  const [folder] = await Promise.all(fetches)
  const { maxRSS } = process.resourceUsage()
  const seconds = (performance.now() - started) / 1000
  console.log(JSON.stringify({ folder, seconds, megabytes: (maxRSS * 1024) / 1e6 }))
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error)
  process.exitCode = 1
})
