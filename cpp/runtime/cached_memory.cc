#include "runtime/cached_memory.h"

#include <ATen/core/CachingHostAllocator.h>
#include <c10/core/CachingDeviceAllocator.h>

namespace wuerstchen::runtime {

void ReleaseCachedMemory(c10::Device device) noexcept {
  if (device.is_cpu()) return;
  try {
    c10::getDeviceAllocator(device.type())->emptyCache();
    at::getHostAllocator(device.type())->empty_cache();
  } catch (...) {  // a device that is gone, or one whose allocator keeps nothing
  }
}

}  // namespace wuerstchen::runtime
