// The way back to JavaScript: what the device threads of one environment have finished is settled
// on its own thread. All but `Post` belongs to the JavaScript thread.
#ifndef CPP_BINDING_COMPLETIONS_H_
#define CPP_BINDING_COMPLETIONS_H_

#include <napi.h>

#include <functional>
#include <memory>
#include <mutex>
#include <utility>

namespace wuerstchen::binding {

class Completions {
 public:
  // Runs on the JavaScript thread; never runs, and is only destroyed, when the environment ends
  // first.
  using Settle = std::function<void(Napi::Env)>;

  // Something to settle once, with all the memory that this takes: a thread that has none left can
  // still post it. Copies are the same one.
  class Parcel {
   public:
    explicit Parcel(Settle settle)
        : settle_(std::make_shared<std::unique_ptr<Settle>>(
              std::make_unique<Settle>(std::move(settle)))) {}

   private:
    friend class Completions;
    std::shared_ptr<std::unique_ptr<Settle>> settle_;
  };

  explicit Completions(Napi::Env env);

  // Between these Node stays alive: one call each for every promise that is still to be settled.
  void Expect(Napi::Env env);
  void Settled(Napi::Env env);

  // From any thread, also after `Close`.
  void Post(const Parcel& parcel);

  // The environment ends: from here on no thread touches it. Safe twice.
  void Close();

 private:
  static void Deliver(Napi::Env env, Napi::Function, Completions*, Settle* settle);
  using Channel = Napi::TypedThreadSafeFunction<Completions, Settle, &Completions::Deliver>;

  std::mutex mutex_;  // of the two below
  Channel channel_;
  bool closed_ = false;
  size_t expected_ = 0;
};

}  // namespace wuerstchen::binding

#endif  // CPP_BINDING_COMPLETIONS_H_
