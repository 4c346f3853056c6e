#ifndef _WIN32
#include "platform/affinity.h"

#ifdef __linux__
#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <system_error>
#else
#include <stdexcept>
#endif

namespace wuerstchen::platform {
#ifdef __linux__

void BindThread(const std::vector<int>& cpus) {
  const int count = cpus.empty() ? 1 : *std::max_element(cpus.begin(), cpus.end()) + 1;
  const size_t bytes = CPU_ALLOC_SIZE(count);  // cpu_set_t ends at 1024 CPUs
  const auto free = [](cpu_set_t* set) { CPU_FREE(set); };
  const std::unique_ptr<cpu_set_t, decltype(free)> set(CPU_ALLOC(count), free);
  if (set == nullptr) throw std::bad_alloc();
  CPU_ZERO_S(bytes, set.get());
  for (const int cpu : cpus) CPU_SET_S(cpu, bytes, set.get());
  // Not pthread_setaffinity_np, which has another version since glibc 2.34. 0 is this thread.
  if (sched_setaffinity(0, bytes, set.get()) == 0) return;
  throw std::system_error(errno, std::generic_category(), "A thread cannot be kept to these CPUs");
}

#else

void BindThread(const std::vector<int>&) {
  throw std::runtime_error("Threads are kept to CPUs on Linux only");
}

#endif
}  // namespace wuerstchen::platform
#endif  // _WIN32
