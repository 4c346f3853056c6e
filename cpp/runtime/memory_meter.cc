#include "runtime/memory_meter.h"

#include <torch/csrc/profiler/orchestration/observer.h>

#include <algorithm>

namespace wuerstchen::runtime {

using torch::profiler::impl::ActiveProfilerType;
using torch::profiler::impl::ProfilerConfig;
using torch::profiler::impl::ProfilerState;
using torch::profiler::impl::ProfilerStateBase;

// libtorch's allocators report to the profiler's place, which takes nothing but a profiler: this
// one is switched off in all but memory.
class MemoryMeter::Counter final : public ProfilerStateBase {
 public:
  Counter()
      : ProfilerStateBase(ProfilerConfig(ProfilerState::Disabled, /*report_input_shapes=*/false,
                                         /*profile_memory=*/true)) {}

  // Bytes are negative when they are freed.
  void reportMemoryUsage(void*, int64_t bytes, size_t, size_t, c10::Device) override {
    live += bytes;
    peak = std::max(peak, live);
  }
  ActiveProfilerType profilerType() override { return ActiveProfilerType::NONE; }

  int64_t live = 0;  // less what other threads freed
  int64_t peak = 0;
};

MemoryMeter::MemoryMeter()
    : counter_(std::make_shared<Counter>()), guard_(c10::DebugInfoKind::PROFILER_STATE, counter_) {}

MemoryMeter::Call::Call(MemoryMeter& meter, std::atomic<int64_t>& peak)
    : meter_(meter), peak_(peak), before_(meter.counter_->live) {
  meter_.counter_->peak = before_;
}

MemoryMeter::Call::~Call() {
  peak_ = std::max(peak_.load(), meter_.counter_->peak - before_);
}

}  // namespace wuerstchen::runtime
