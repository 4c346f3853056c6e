// How much the tensors of one call take at most, beyond what there was before it. What libraries
// below libtorch take for themselves is not seen. Belongs to the device's thread.
#ifndef CPP_RUNTIME_MEMORY_METER_H_
#define CPP_RUNTIME_MEMORY_METER_H_

#include <c10/util/ThreadLocalDebugInfo.h>

#include <atomic>
#include <cstdint>
#include <memory>

namespace wuerstchen::runtime {

// Counts for as long as the thread lives: libtorch complains of memory that was not counted from
// its beginning.
class MemoryMeter {
 public:
  MemoryMeter();

  // One call, for as long as it lives; raises `peak` to what it took.
  class Call {
   public:
    Call(MemoryMeter& meter, std::atomic<int64_t>& peak);
    ~Call();
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

   private:
    MemoryMeter& meter_;
    std::atomic<int64_t>& peak_;
    const int64_t before_;
  };

 private:
  class Counter;
  const std::shared_ptr<Counter> counter_;
  const c10::DebugInfoGuard guard_;
};

}  // namespace wuerstchen::runtime

#endif  // CPP_RUNTIME_MEMORY_METER_H_
