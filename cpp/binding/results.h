// What calls of a device give back, as values of JavaScript. JavaScript thread only.
#ifndef CPP_BINDING_RESULTS_H_
#define CPP_BINDING_RESULTS_H_

#include <napi.h>

#include <memory>
#include <utility>

#include "binding/handle.h"
#include "runtime/runtime.h"

namespace wuerstchen::binding {

Napi::Value PresentNothing(Napi::Env env, bool);
// The pixels themselves where Node may own outside memory, else a copy.
Napi::Value PresentPixels(Napi::Env env, runtime::HostArray<uint8_t>& pixels);
Napi::Value PresentNumbers(Napi::Env env, runtime::HostArray<float>& numbers);

inline auto PresentTensor(std::shared_ptr<runtime::Device> device) {
  return [device](Napi::Env env, runtime::TensorPtr& tensor) -> Napi::Value {
    return TensorHandle::New(env, std::move(tensor), device);
  };
}

}  // namespace wuerstchen::binding

#endif  // CPP_BINDING_RESULTS_H_
