// A recorder for tests, on any device: it keeps the work itself and does it again at every replay.
// Compiled with REFUSES it records nothing.
#include <stdexcept>
#include <utility>

#include "runtime/recorder.h"

namespace wuerstchen::testing {
namespace {

class Rehearsal final : public runtime::Recorder {
 public:
  std::unique_ptr<Tape> Record(std::function<void()> work) override {
#ifdef REFUSES
    throw std::runtime_error("This cannot be rehearsed");
#endif
    work();  // so that what it cannot do is known now, and its results have a place
    return std::make_unique<Again>(std::move(work));
  }

 private:
  struct Again final : Tape {
    explicit Again(std::function<void()> work) : work(std::move(work)) {}
    void Replay() override { work(); }
    std::function<void()> work;
  };
};

}  // namespace
}  // namespace wuerstchen::testing

extern "C" __attribute__((visibility("default"))) wuerstchen::runtime::Recorder*
wuerstchen_make_recorder() {
  return new wuerstchen::testing::Rehearsal();
}
