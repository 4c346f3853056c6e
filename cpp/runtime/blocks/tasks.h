// Work in equal pieces, on all threads of the device.
#ifndef CPP_RUNTIME_BLOCKS_TASKS_H_
#define CPP_RUNTIME_BLOCKS_TASKS_H_

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

namespace wuerstchen::runtime::blocks {

// How work was cut, for whoever wants to know what a machine with other cores would do: it is cut
// for as many threads as that machine has, and done by one, task after task.
class Trace {
 public:
  // `runs`: whether tasks are done at all, or only counted.
  Trace(int64_t threads, bool runs) : threads_(threads), runs_(runs) {}

  // Of this thread; null where nobody wants to know.
  static std::unique_ptr<Trace>& Current() {
    thread_local std::unique_ptr<Trace> current;
    return current;
  }

  int64_t threads() const { return threads_; }
  // For each region how many tasks it has, its work, and how many microseconds each task took.
  const std::vector<float>& numbers() const { return numbers_; }

  template <typename Run>
  void Region(int64_t count, double work, const Run& run) {
    using Clock = std::chrono::steady_clock;
    numbers_.push_back(static_cast<float>(count));
    numbers_.push_back(static_cast<float>(work));
    for (int64_t task = 0; task < count; ++task) {
      const auto start = Clock::now();
      if (runs_) run(task);
      numbers_.push_back(std::chrono::duration<float, std::micro>(Clock::now() - start).count());
    }
  }

 private:
  const int64_t threads_;
  const bool runs_;
  std::vector<float> numbers_;
};

// Threads that work is cut for.
inline int64_t Threads() {
  const auto& trace = Trace::Current();
  return trace == nullptr ? at::get_num_threads() : trace->threads();
}

// About as many tasks for each thread, so that the last ones end at about the same time.
constexpr int64_t kTasksPerThread = 8;

// Of `numbers` each of which takes about so many operations (a multiplication and a sum are two);
// what reads and writes memory takes longer than its arithmetic.
inline double WorkOn(int64_t numbers, double operations) {
  return operations * static_cast<double>(numbers);
}

// So many of `count` equal things make a task: `most`, or fewer where threads would go without.
inline int64_t TaskSize(int64_t count, int64_t fewest, int64_t most) {
  const int64_t wanted = count / (kTasksPerThread * Threads());
  return std::clamp(wanted, std::min(fewest, most), most);
}

// `run(task)` for each in [0, count). A thread takes the next one when it is done with its last: a
// core that a neighbour slows down gets less to do, where shares of equal size would wait for it.
template <typename Run>
void ForEachTask(int64_t count, const Run& run) {
  if (count == 1) return run(0);
  std::atomic<int64_t> next{0};
  const int64_t threads = std::min<int64_t>(count, at::get_num_threads());
  at::parallel_for(0, threads, 1, [&](int64_t, int64_t) {
    for (int64_t task; (task = next.fetch_add(1, std::memory_order_relaxed)) < count;) run(task);
  });
}

// The same for the work of a call, which traces see. `work`: of all tasks, in operations.
template <typename Run>
void ForEachTask(int64_t count, double work, const Run& run) {
  if (const auto& trace = Trace::Current()) return trace->Region(count, work, run);
  ForEachTask(count, run);
}

}  // namespace wuerstchen::runtime::blocks

#endif  // CPP_RUNTIME_BLOCKS_TASKS_H_
