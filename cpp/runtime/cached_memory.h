#pragma once

#include <c10/core/Device.h>

namespace wuerstchen::runtime {

// libtorch keeps a GPU's memory, and pinned memory beside it, for the next tensor: what nobody uses
// goes back to the system, where other processes find it.
void ReleaseCachedMemory(c10::Device device) noexcept;

}  // namespace wuerstchen::runtime
