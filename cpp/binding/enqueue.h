// The one way of work through a device: arguments were read, `work` runs on the device's thread,
// `present` turns its result into a value on the JavaScript thread, and one promise is settled.
#ifndef CPP_BINDING_ENQUEUE_H_
#define CPP_BINDING_ENQUEUE_H_

#include <napi.h>

#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "binding/completions.h"
#include "binding/environment.h"
#include "binding/errors.h"
#include "runtime/runtime.h"

namespace wuerstchen::binding {

template <typename Result>
struct Outcome {
  std::optional<Result> result;
  std::optional<runtime::Error> error;
};

template <typename Work>
auto Attempt(Work& work, runtime::Workspace& workspace) {
  auto outcome = std::make_shared<Outcome<std::invoke_result_t<Work&, runtime::Workspace&>>>();
  try {
    outcome->result = work(workspace);
  } catch (...) {
    outcome->error = runtime::CurrentError();
  }
  return outcome;
}

// JavaScript thread. `work` and what it captures live and die on the device's thread; it returns
// something.
template <typename Work, typename Present>
Napi::Promise Enqueue(Napi::Env env, runtime::Device& device, Work work, Present present) {
  const auto deferred = Napi::Promise::Deferred::New(env);
  const auto completions = Environment::Of(env).completions;
  auto task = [=, work = std::move(work)](runtime::Workspace& workspace) mutable {
    completions->Post([=, outcome = Attempt(work, workspace)](Napi::Env env) {
      completions->Settled(env);
      try {
        if (outcome->error) throw runtime::Error(*outcome->error);
        deferred.Resolve(present(env, *outcome->result));
      } catch (...) {
        deferred.Reject(CurrentErrorToJs(env));
      }
    });
  };
  if (!device.Post(std::move(task))) {
    throw runtime::Error(runtime::ErrorCode::kDisposed, "The device is closed");
  }
  completions->Expect(env);
  return deferred.Promise();
}

}  // namespace wuerstchen::binding

#endif  // CPP_BINDING_ENQUEUE_H_
