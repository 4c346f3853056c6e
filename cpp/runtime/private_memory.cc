#include "runtime/private_memory.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <c10/util/accumulate.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <cstddef>
#include <string>

#include "platform/pages.h"
#include "runtime/error.h"

namespace wuerstchen::runtime {
namespace {

// Bytes. Smaller tensors are the allocator's: a page for each bias would be more than it holds.
constexpr size_t kLeast = 65536;

}  // namespace

at::Tensor AllocatePrivate(at::IntArrayRef shape, at::ScalarType type) {
  const size_t bytes = static_cast<size_t>(c10::multiply_integers(shape)) * c10::elementSize(type);
  if (bytes < kLeast) return at::empty(shape, type);
  void* const address = platform::AllocatePages(bytes);
  if (address == nullptr) {
    throw Error(ErrorCode::kOutOfMemory,
                "Could not get " + std::to_string(bytes) + " bytes of memory for a weight");
  }
  return at::from_blob(
      address, shape, [bytes](void* memory) { platform::FreePages(memory, bytes); }, type);
}

void TrimAllocator() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

}  // namespace wuerstchen::runtime
