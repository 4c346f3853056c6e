// What belongs to one device's thread. Made, used and destroyed on it.
#ifndef CPP_RUNTIME_WORKSPACE_H_
#define CPP_RUNTIME_WORKSPACE_H_

#include <c10/core/Device.h>
#include <c10/core/Event.h>

#include <atomic>
#include <optional>

#include "runtime/batch_memo.h"
#include "runtime/memory_meter.h"
#include "runtime/runtime.h"
#include "runtime/weights.h"

namespace wuerstchen::runtime {

struct Workspace {
  c10::Device device;
  const std::atomic<bool>& halting;  // set by `Device::Stop`
  WeightFiles files;
  BatchMemo conditions;
  MemoryMeter meter;
  std::optional<c10::Event> queued;  // when a GPU is done with the last call of `Advance`
};

}  // namespace wuerstchen::runtime

#endif  // CPP_RUNTIME_WORKSPACE_H_
