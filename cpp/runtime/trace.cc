// How the calls of a device cut their work.
#include "runtime/blocks/tasks.h"
#include "runtime/runtime.h"
#include "runtime/workspace.h"

namespace wuerstchen::runtime {

HostArray<float> TraceTasks(Workspace&, int64_t threads, bool runs) {
  auto& current = blocks::Trace::Current();
  auto numbers = std::make_shared<std::vector<float>>();
  if (current != nullptr) *numbers = current->numbers();
  current.reset();
  if (threads > 0) current = std::make_unique<blocks::Trace>(threads, runs);
  const auto count = static_cast<int64_t>(numbers->size());
  return {{count}, std::shared_ptr<float>(numbers, numbers->data()), count};
}

}  // namespace wuerstchen::runtime
