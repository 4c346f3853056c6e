// The `wuerstchen` addon: NativeAddon of lib/native/types.ts.
#include <napi.h>

#include "binding/device_handle.h"
#include "binding/environment.h"
#include "binding/handle.h"
#include "runtime/runtime.h"

namespace wuerstchen::binding {
namespace {

void DescribePlatform(Napi::Object exports) {
  const auto platform = runtime::DescribePlatform();
  auto versions = Napi::Object::New(exports.Env());
  versions.Set("compiled", platform.compiled);
  versions.Set("torch", platform.torch);
  auto cpu = Napi::Object::New(exports.Env());
  cpu.Set("bfloat16", platform.bfloat16);
  cpu.Set("float16", platform.float16);
  cpu.Set("capability", platform.capability);
  auto kernels = Napi::Array::New(exports.Env());
  for (const auto& kind : platform.kernels) kernels.Set(kernels.Length(), kind);
  cpu.Set("kernels", kernels);
  exports.Set("versions", versions);
  exports.Set("cpu", cpu);
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  Environment::Create(env);
  DeviceHandle::Define(env);
  TensorHandle::Define(env);
  GraphHandle::Define(env);
  NoiseHandle::Define(env);
  DescribePlatform(exports);
  exports.Set("openDevice", Napi::Function::New<DeviceHandle::Open>(env, "openDevice"));
  return exports;
}

}  // namespace

NODE_API_MODULE(wuerstchen, Init)

}  // namespace wuerstchen::binding
