#include "binding/environment.h"

#ifdef __GLIBC__
#include <unistd.h>
#endif

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace wuerstchen::binding {
namespace {

using Devices = std::vector<std::shared_ptr<runtime::Device>>;

// How long `process.exit()` waits for a step before it leaves it behind.
constexpr std::chrono::milliseconds kPatience(300);

// While a thread still computes, libtorch's statics must not be destroyed: the process ends without
// that. Registered last, during 'exit', so that it runs before all destructors.
void LeaveRunningBehind(std::unique_ptr<Devices> running) {
#ifdef __GLIBC__
  const auto leave = [](int status, void* devices) {
    for (const auto& device : *static_cast<Devices*>(devices)) {
      if (device->EndsWithin(std::chrono::milliseconds(0))) continue;
      std::fflush(nullptr);
      _exit(status);
    }
  };
  if (on_exit(leave, running.get()) == 0) {
    static_cast<void>(running.release());  // until the process is gone
    return;
  }
#endif
  for (const auto& device : *running) device->Halt();
}

// `process.exit()` ends the main thread without its cleanup hooks, and libtorch's statics (oneDNN's
// kernels, say) are then destroyed under a running device. The 'exit' event comes before that, and
// this listener before all others: one of them may throw.
void ListenForExit(Napi::Env env) {
  const auto process = env.Global().Get("process");
  if (!process.IsObject()) return;
  const auto listen = process.As<Napi::Object>().Get("prependListener");
  if (!listen.IsFunction()) return;
  const auto shutdown = [](const Napi::CallbackInfo& info) {
    Environment::Of(info.Env()).ShutdownForExit();
  };
  listen.As<Napi::Function>().Call(
      process, {Napi::String::New(env, "exit"), Napi::Function::New(env, shutdown, "shutdown")});
}

// Sets a pointer for as long as it lives.
class Lent {
 public:
  Lent(void*& place, void* value) : place_(place) { place_ = value; }
  ~Lent() { place_ = nullptr; }
  Lent(const Lent&) = delete;
  Lent& operator=(const Lent&) = delete;

 private:
  void*& place_;
};

}  // namespace

Napi::Object Construct(Environment& environment, const Napi::FunctionReference& handle_class,
                       void* contents) {
  const Lent lent(environment.under_construction, contents);
  return handle_class.New({});
}

void* TakeUnderConstruction(Napi::Env env, const char* class_name) {
  auto* const contents = std::exchange(Environment::Of(env).under_construction, nullptr);
  if (contents != nullptr) return contents;
  throw Napi::TypeError::New(env, std::string(class_name) + " cannot be constructed");
}

void Environment::Create(Napi::Env env) {
  auto environment = std::make_unique<Environment>(env);
  env.SetInstanceData(environment.get());  // owns it from here on
  auto* const self = environment.release();
  // Hooks run in reverse order: this one before that of the completions' channel.
  env.AddCleanupHook([self] { self->Shutdown(); });
  ListenForExit(env);
}

std::shared_ptr<runtime::Device> Environment::Open(const std::string& name, int threads,
                                                   const std::vector<int>& cpus) {
  if (closed_) throw runtime::Error(runtime::ErrorCode::kDisposed, "This environment is ending");
  devices_.push_back(std::make_shared<runtime::Device>(name, threads, cpus));
  return devices_.back();
}

void Environment::Forget(const runtime::Device* device) {
  std::erase_if(devices_, [device](const auto& known) {
    if (known.get() != device) return false;
    known->Halt();
    return true;
  });
}

void Environment::Stop() {
  closed_ = true;
  completions->Close();
  for (const auto& device : devices_) device->Stop();
}

void Environment::Shutdown() {
  Stop();
  for (const auto& device : devices_) device->Halt();
}

void Environment::ShutdownForExit() {
  Stop();
  auto running = std::make_unique<Devices>();
  for (const auto& device : devices_) {
    if (!device->EndsWithin(kPatience)) running->push_back(device);
  }
  if (!running->empty()) LeaveRunningBehind(std::move(running));
}

}  // namespace wuerstchen::binding
