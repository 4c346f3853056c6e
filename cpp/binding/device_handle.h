// `NativeDevice` of lib/native/types.ts: every method reads its arguments and enqueues one call of
// the runtime. JavaScript thread only.
#ifndef CPP_BINDING_DEVICE_HANDLE_H_
#define CPP_BINDING_DEVICE_HANDLE_H_

#include <napi.h>

#include <memory>

#include "binding/completions.h"
#include "runtime/runtime.h"

namespace wuerstchen::binding {

class DeviceHandle final : public Napi::ObjectWrap<DeviceHandle> {
 public:
  static void Define(Napi::Env env);
  // `openDevice(options)`
  static Napi::Value Open(const Napi::CallbackInfo& info);

  explicit DeviceHandle(const Napi::CallbackInfo& info);
  // A device that nobody can reach any more closes itself when its work is done.
  void Finalize(Napi::BasicEnv env);

 private:
  Napi::Value Load(const Napi::CallbackInfo& info);
  Napi::Value Rebind(const Napi::CallbackInfo& info);
  Napi::Value Release(const Napi::CallbackInfo& info);
  Napi::Value Prefetch(const Napi::CallbackInfo& info);
  Napi::Value LimitWeights(const Napi::CallbackInfo& info);
  Napi::Value Save(const Napi::CallbackInfo& info);
  Napi::Value SavePacked(const Napi::CallbackInfo& info);
  Napi::Value KeepPacked(const Napi::CallbackInfo& info);
  Napi::Value Run(const Napi::CallbackInfo& info);
  Napi::Value Noise(const Napi::CallbackInfo& info);
  Napi::Value DrawLatents(const Napi::CallbackInfo& info);
  Napi::Value Advance(const Napi::CallbackInfo& info);
  Napi::Value Affine(const Napi::CallbackInfo& info);
  Napi::Value Row(const Napi::CallbackInfo& info);
  Napi::Value Decode(const Napi::CallbackInfo& info);
  Napi::Value TraceTasks(const Napi::CallbackInfo& info);
  Napi::Value Read(const Napi::CallbackInfo& info);
  Napi::Value Write(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

  std::shared_ptr<runtime::Device> device_;
  const std::shared_ptr<Completions> completions_;
  Napi::Reference<Napi::Promise> closing_;  // once it was asked to close
};

}  // namespace wuerstchen::binding

#endif  // CPP_BINDING_DEVICE_HANDLE_H_
