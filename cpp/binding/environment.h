// What this addon keeps for one Node environment: the main thread has one, and so has every worker.
// Belongs to the environment's JavaScript thread, and dies with the environment.
#ifndef CPP_BINDING_ENVIRONMENT_H_
#define CPP_BINDING_ENVIRONMENT_H_

#include <napi.h>

#include <memory>
#include <string>
#include <vector>

#include "binding/completions.h"
#include "runtime/runtime.h"

namespace wuerstchen::binding {

class Environment {
 public:
  // Makes the environment's instance and ties it to the environment's end.
  static void Create(Napi::Env env);
  static Environment& Of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

  explicit Environment(Napi::Env env) : completions(std::make_shared<Completions>(env)) {}

  std::shared_ptr<runtime::Device> Open(const std::string& name, int threads,
                                        const std::vector<int>& cpus);
  // Of a device whose thread has ended, or is just about to.
  void Forget(const runtime::Device* device);
  // Stops every device and waits for its running step. Safe twice.
  void Shutdown();
  // The same, but waits only a moment: the process is about to exit.
  void ShutdownForExit();

  const std::shared_ptr<Completions> completions;

  Napi::FunctionReference device_class, tensor_class, graph_class, noise_class;
  // What a handle that is being constructed will hold (`Construct`). Scripts cannot set it, so they
  // cannot make handles.
  void* under_construction = nullptr;

 private:
  using Devices = std::vector<std::shared_ptr<runtime::Device>>;

  void Stop();

  Devices devices_;
  bool closed_ = false;
};

// Makes a handle of a class whose constructor calls `TakeUnderConstruction`, which returns
// `contents`; those are forgotten when construction fails before it gets there.
Napi::Object Construct(Environment& environment, const Napi::FunctionReference& handle_class,
                       void* contents);
// Throws a TypeError where script calls the constructor.
void* TakeUnderConstruction(Napi::Env env, const char* class_name);

}  // namespace wuerstchen::binding

#endif  // CPP_BINDING_ENVIRONMENT_H_
