// Makes memory scarce: libtorch's allocator for the CPU refuses, in the words of the real one, what
// is of WUERSTCHEN_TEST_SCARCE_BYTES or more at that moment. Opened as a recorder, which it is
// none.
#include <c10/core/CPUAllocator.h>

#include <cstdlib>
#include <string>

namespace {

class ScarceAllocator final : public c10::Allocator {
 public:
  explicit ScarceAllocator(c10::Allocator& real) : real_(real) {}

  c10::DataPtr allocate(size_t bytes) override {
    const char* const limit = std::getenv("WUERSTCHEN_TEST_SCARCE_BYTES");
    const size_t least = limit == nullptr ? 0 : std::strtoull(limit, nullptr, 10);
    TORCH_CHECK(least == 0 || bytes < least,
                "DefaultCPUAllocator: can't allocate memory: you tried to allocate ", bytes,
                " bytes. Error code 12 (Cannot allocate memory)");
    return real_.allocate(bytes);
  }
  c10::DeleterFnPtr raw_deleter() const override { return real_.raw_deleter(); }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    real_.copy_data(to, from, bytes);
  }

 private:
  c10::Allocator& real_;
};

constexpr uint8_t kBeforeAllOthers = 100;

const bool kInstalled = [] {
  c10::SetCPUAllocator(new ScarceAllocator(*c10::GetCPUAllocator()), kBeforeAllOthers);
  return true;
}();

}  // namespace
