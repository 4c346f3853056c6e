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

inline void PostOrThrow(runtime::Device& device, runtime::Device::Task task) {
  if (device.Post(std::move(task))) return;
  throw runtime::Error(runtime::ErrorCode::kDisposed, "The device is closed");
}

// JavaScript thread. `work` and what it captures live and die on the device's thread; it returns
// something. What the way back takes is allocated here, where a failure is one of this call.
template <typename Work, typename Present>
Napi::Promise Enqueue(Napi::Env env, runtime::Device& device, Work work, Present present) {
  using Result = std::invoke_result_t<Work&, runtime::Workspace&>;
  const auto deferred = Napi::Promise::Deferred::New(env);
  const auto completions = Environment::Of(env).completions;
  const auto outcome = std::make_shared<Outcome<Result>>();
  const Completions::Parcel settle([=](Napi::Env env) mutable {
    completions->Settled(env);
    try {
      if (outcome->error) throw runtime::Error(*outcome->error);
      deferred.Resolve(present(env, *outcome->result));
    } catch (...) {
      deferred.Reject(CurrentErrorToJs(env));
    }
  });
  auto run = [=, work = std::move(work)](runtime::Workspace& workspace) mutable {
    outcome->result = work(workspace);
    completions->Post(settle);
  };
  const auto fail = [=](const runtime::Error& error) {
    outcome->error = error;
    completions->Post(settle);
  };
  PostOrThrow(device, {std::move(run), fail});
  completions->Expect(env);
  return deferred.Promise();
}

}  // namespace wuerstchen::binding

#endif  // CPP_BINDING_ENQUEUE_H_
