#include "binding/environment.h"

namespace wuerstchen::binding {
namespace {

// `process.exit()` ends the main thread without its cleanup hooks, and then libtorch's statics are
// destroyed while a device may still use them. The 'exit' event comes before that, and this listener
// before all others: one of them may throw.
void ShutdownOnExit(Napi::Env env) {
  const auto process = env.Global().Get("process");
  if (!process.IsObject()) return;
  const auto listen = process.As<Napi::Object>().Get("prependListener");
  if (!listen.IsFunction()) return;
  const auto shutdown = [](const Napi::CallbackInfo& info) {
    Environment::Of(info.Env()).Shutdown();
  };
  listen.As<Napi::Function>().Call(
      process, {Napi::String::New(env, "exit"), Napi::Function::New(env, shutdown, "shutdown")});
}

}  // namespace

void Environment::Create(Napi::Env env) {
  auto environment = std::make_unique<Environment>(env);
  env.SetInstanceData(environment.get());  // owns it from here on
  auto* const self = environment.release();
  // Hooks run in reverse order: this one before that of the completions' channel.
  env.AddCleanupHook([self] { self->Shutdown(); });
  ShutdownOnExit(env);
}

std::shared_ptr<runtime::Device> Environment::Open(const std::string& name, int threads) {
  if (closed_) throw runtime::Error(runtime::ErrorCode::kDisposed, "This environment is ending");
  devices_.push_back(std::make_shared<runtime::Device>(name, threads));
  return devices_.back();
}

void Environment::Forget(const runtime::Device* device) {
  std::erase_if(devices_, [device](const auto& known) {
    if (known.get() != device) return false;
    known->Halt();
    return true;
  });
}

void Environment::Shutdown() {
  closed_ = true;
  completions->Close();
  for (const auto& device : devices_) device->Halt();
}

}  // namespace wuerstchen::binding
