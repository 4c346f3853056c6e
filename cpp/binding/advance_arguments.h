// Reads and checks what `advance` is given, so that no row can make a batch of another shape than
// it seems. JavaScript thread only.
#ifndef CPP_BINDING_ADVANCE_ARGUMENTS_H_
#define CPP_BINDING_ADVANCE_ARGUMENTS_H_

#include <napi.h>

#include "runtime/runtime.h"

namespace wuerstchen::binding {

// Throws kInvalidArgument or kDisposed.
runtime::AdvanceRequest ReadAdvanceRequest(Napi::Value options, const runtime::Device& device);

}  // namespace wuerstchen::binding

#endif  // CPP_BINDING_ADVANCE_ARGUMENTS_H_
