// Reads what `load` and `run` are given. Throws kInvalidArgument or kDisposed. JavaScript thread
// only.
#ifndef CPP_BINDING_CALL_ARGUMENTS_H_
#define CPP_BINDING_CALL_ARGUMENTS_H_

#include <napi.h>

#include <vector>

#include "runtime/runtime.h"

namespace wuerstchen::binding {

runtime::LoadRequest ReadLoadRequest(Napi::Value value);
std::vector<runtime::Input> ReadInputs(Napi::Value value, const runtime::Device& device);

}  // namespace wuerstchen::binding

#endif  // CPP_BINDING_CALL_ARGUMENTS_H_
