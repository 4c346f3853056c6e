#include "binding/completions.h"

#include <memory>
#include <utility>

namespace wuerstchen::binding {

Completions::Completions(Napi::Env env)
    : channel_(Channel::New(env, "wuerstchen", /*maxQueueSize=*/0, /*initialThreadCount=*/1)) {
  channel_.Unref(env);
}

void Completions::Expect(Napi::Env env) {
  if (expected_++ == 0 && !closed_) channel_.Ref(env);
}

void Completions::Settled(Napi::Env env) {
  if (--expected_ == 0 && !closed_) channel_.Unref(env);
}

void Completions::Post(const Parcel& parcel) {
  auto item = std::move(*parcel.settle_);
  const std::lock_guard lock(mutex_);
  // Checked by ourselves: Node frees a channel with its environment even when a thread still means
  // to call it.
  if (closed_) return;
  if (channel_.NonBlockingCall(item.get()) == napi_ok) item.release();  // `Deliver` owns it
}

void Completions::Close() {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  closed_ = true;
  channel_.Abort();
}

void Completions::Deliver(Napi::Env env, Napi::Function, Completions*, Settle* settle) {
  const std::unique_ptr<Settle> item(settle);
  if (env == nullptr) return;  // the environment is gone
  try {
    (*item)(env);
  } catch (const Napi::Error&) {
    // Settling can only fail in an environment that is being terminated, where nobody waits.
  }
}

}  // namespace wuerstchen::binding
