// Which CPUs a thread may run on.
#ifndef CPP_PLATFORM_AFFINITY_H_
#define CPP_PLATFORM_AFFINITY_H_

#include <vector>

namespace wuerstchen::platform {

// Keeps the calling thread, and those that it starts from now on, to these CPUs, numbered as the
// system does. What it touches first lies in their memory. Throws std::runtime_error with the
// system's words where none of them is the process's, and on systems other than Linux.
void BindThread(const std::vector<int>& cpus);

// What the calling thread is kept to, in ascending order; empty where the system does not tell.
std::vector<int> CpusOfThread();

}  // namespace wuerstchen::platform

#endif  // CPP_PLATFORM_AFFINITY_H_
