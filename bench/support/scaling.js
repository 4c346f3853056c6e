'use strict'
// What machines with more cores would take, from how a call is cut for them (`NativeDevice.traceTasks`).

/** Regions of a trace: how many tasks each has, its work in operations, and the microseconds of its tasks together. */
function regionsOf(numbers) {
  const regions = []
  for (let place = 0; place < numbers.length; ) {
    const [tasks, work] = [numbers[place], numbers[place + 1]]
    const times = numbers.subarray(place + 2, place + 2 + tasks)
    regions.push({ tasks, work, microseconds: times.reduce((sum, one) => sum + one, 0) })
    place += 2 + tasks
  }
  return regions
}

/** Microseconds that it takes to wake so many threads and to wait for them; one task alone wakes nobody. */
const wakingOf = (threads, tasks, { region }) =>
  threads === 1 || tasks === 1 ? 0 : region * (1 + Math.log2(threads))

/**
 * Predicted microseconds of a call. `regions`: as it is cut for `threads`. Tasks of a region take equally long, so the last
 * round of threads may leave some without; `region` is what two threads cost, `rest` what is done by one thread in between.
 */
function predict(regions, threads, { rate, region, rest = 0 }) {
  return regions.reduce((sum, { tasks, work }) => {
    const rounds = Math.ceil(tasks / threads)
    return sum + wakingOf(threads, tasks, { region }) + ((work / rate) * rounds) / tasks
  }, rest)
}

/** How the plan of a call fits a machine with so many threads. */
function describe(regions, single, threads, costs) {
  const work = regions.reduce((sum, one) => sum + one.work, 0)
  const alone = predict(single, 1, costs)
  const time = predict(regions, threads, costs)
  return {
    threads,
    regions: regions.length,
    tasks: regions.reduce((sum, one) => sum + one.tasks, 0),
    /** Of the work, in regions with fewer tasks than threads. */
    starved: regions.reduce((sum, one) => sum + (one.tasks < threads ? one.work : 0), 0) / work,
    /** Of the predicted time of one thread, what no other thread helps with. */
    serial:
      ((costs.rest ?? 0) +
        single.reduce((sum, one) => sum + (one.tasks === 1 ? one.work / costs.rate : 0), 0)) /
      alone,
    speedup: alone / time,
    efficiency: alone / time / threads,
  }
}

module.exports = { describe, predict, regionsOf }
