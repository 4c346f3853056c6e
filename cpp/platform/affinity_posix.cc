#ifndef _WIN32
#include "platform/affinity.h"

#ifdef __linux__
#include <sched.h>

#include <cerrno>
#include <system_error>
#else
#include <stdexcept>
#endif

namespace wuerstchen::platform {
#ifdef __linux__

namespace {

// `cpu_set_t` ends at 1024 CPUs, Linux at fewer than these.
constexpr int kMostCpus = 65536;

class CpuSet {
 public:
  CpuSet() : words_(CPU_ALLOC_SIZE(kMostCpus) / sizeof(cpu_set_t)) {}
  cpu_set_t* data() { return words_.data(); }
  size_t bytes() const { return words_.size() * sizeof(cpu_set_t); }
  void Add(int cpu) { CPU_SET_S(cpu, bytes(), data()); }
  bool Has(int cpu) const { return CPU_ISSET_S(cpu, bytes(), words_.data()); }

 private:
  std::vector<cpu_set_t> words_;
};

}  // namespace

// Not pthread_setaffinity_np, which has another version since glibc 2.34. 0 is this thread.
void BindThread(const std::vector<int>& cpus) {
  CpuSet set;
  for (const int cpu : cpus) set.Add(cpu);
  if (sched_setaffinity(0, set.bytes(), set.data()) == 0) return;
  throw std::system_error(errno, std::generic_category(), "A thread cannot be kept to these CPUs");
}

std::vector<int> CpusOfThread() {
  CpuSet set;
  std::vector<int> cpus;
  if (sched_getaffinity(0, set.bytes(), set.data()) != 0) return cpus;
  for (int cpu = 0; cpu < kMostCpus; ++cpu) {
    if (set.Has(cpu)) cpus.push_back(cpu);
  }
  return cpus;
}

#else

void BindThread(const std::vector<int>&) {
  throw std::runtime_error("Threads are kept to CPUs on Linux only");
}

std::vector<int> CpusOfThread() {
  return {};
}

#endif
}  // namespace wuerstchen::platform
#endif  // _WIN32
