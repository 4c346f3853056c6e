'use strict'
// Who ran next before few were let in at a time: everybody was a candidate, and who had waited 16 turns went first. Kept to
// be compared with.

const STAGES = ['prior', 'decoder', 'vqgan']
const PATIENCE = 16 // turns
const COURTESY = 4 // turns
const COMPANY = 3 // pictures

const over = (waited, limit) => (waited >= limit ? waited : 0)

function claimsOf(batch) {
  const waited = Math.max(...batch.map((job) => job.waited))
  const company = batch[0].stage === 'vqgan' ? COMPANY : Math.min(batch.length, COMPANY)
  return [
    over(batch[0].waited, PATIENCE),
    batch[0].priority,
    over(waited, COURTESY),
    company,
    STAGES.indexOf(batch[0].stage),
  ]
}

function isStronger(claims, others) {
  const place = claims.findIndex((claim, index) => claim !== others[index])
  return place >= 0 && claims[place] > others[place]
}

class Patience {
  jobs = []

  get size() {
    return this.jobs.length
  }

  add(jobs) {
    this.jobs.push(...jobs)
  }

  remove(leaves) {
    this.jobs = this.jobs.filter((job) => !leaves(job))
  }

  next({ maxRows }) {
    const inOrder = [...this.jobs].sort(
      (a, b) => over(b.waited, PATIENCE) - over(a.waited, PATIENCE) || b.priority - a.priority,
    )
    const groups = new Map()
    for (const job of inOrder) {
      const group = groups.get(job.batchKey)
      if (group === undefined)
        groups.set(job.batchKey, { batch: [job], rows: job.rows, full: job.stage === 'vqgan' })
      else if (!group.full && group.rows + job.rows <= maxRows) {
        group.batch.push(job)
        group.rows += job.rows
      } else group.full = true
    }
    let best = []
    let claims = []
    for (const { batch } of groups.values()) {
      const its = claimsOf(batch)
      if (best.length === 0 || isStronger(its, claims)) [best, claims] = [batch, its]
    }
    for (const job of this.jobs) job.waited = best.includes(job) ? 0 : job.waited + 1
    return best
  }
}

module.exports = { Patience }
