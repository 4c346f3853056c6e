#ifdef _WIN32
#include <stdexcept>

#include "platform/affinity.h"

namespace wuerstchen::platform {

void BindThread(const std::vector<int>&) {
  throw std::runtime_error("Threads are kept to CPUs on Linux only");
}

std::vector<int> CpusOfThread() {
  return {};
}

}  // namespace wuerstchen::platform
#endif  // _WIN32
