#include "runtime/interruption.h"

#include "runtime/error.h"

namespace wuerstchen::runtime {
namespace {

thread_local const std::atomic<bool>* halting_here = nullptr;

}  // namespace

Interruption::Interruption(const std::atomic<bool>& halting) {
  halting_here = &halting;
}

Interruption::~Interruption() {
  halting_here = nullptr;
}

void StopIfHalting() {
  if (halting_here != nullptr && *halting_here) {
    throw Error(ErrorCode::kDisposed, "The device was halted");
  }
}

}  // namespace wuerstchen::runtime
