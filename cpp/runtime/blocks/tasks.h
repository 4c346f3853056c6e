// Work in equal pieces, on all threads of the device.
#ifndef CPP_RUNTIME_BLOCKS_TASKS_H_
#define CPP_RUNTIME_BLOCKS_TASKS_H_

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace wuerstchen::runtime::blocks {

// `run(task)` for each in [0, count). A thread takes the next one when it is done with its last: a
// core that a neighbour slows down gets less to do, where shares of equal size would wait for it.
template <typename Run>
void ForEachTask(int64_t count, const Run& run) {
  std::atomic<int64_t> next{0};
  const int64_t threads = std::min<int64_t>(count, at::get_num_threads());
  at::parallel_for(0, threads, 1, [&](int64_t, int64_t) {
    for (int64_t task; (task = next.fetch_add(1, std::memory_order_relaxed)) < count;) run(task);
  });
}

}  // namespace wuerstchen::runtime::blocks

#endif  // CPP_RUNTIME_BLOCKS_TASKS_H_
