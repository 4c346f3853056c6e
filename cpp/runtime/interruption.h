// Work that a device's thread gives up because the device is halted. Any code that runs on the
// thread may ask; it needs no workspace at hand.
#ifndef CPP_RUNTIME_INTERRUPTION_H_
#define CPP_RUNTIME_INTERRUPTION_H_

#include <atomic>

namespace wuerstchen::runtime {

// While it lives, `StopIfHalting` on this thread heeds this flag.
class Interruption {
 public:
  explicit Interruption(const std::atomic<bool>& halting);
  ~Interruption();
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;
};

// Throws kDisposed once this thread's device was halted.
void StopIfHalting();

}  // namespace wuerstchen::runtime

#endif  // CPP_RUNTIME_INTERRUPTION_H_
