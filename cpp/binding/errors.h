// The boundary of errors: whatever C++ throws becomes an `Error` of JavaScript with a code of
// `NativeErrorCode`. JavaScript thread only.
#ifndef CPP_BINDING_ERRORS_H_
#define CPP_BINDING_ERRORS_H_

#include <napi.h>

#include "runtime/error.h"

namespace wuerstchen::binding {

Napi::Value ToJs(Napi::Env env, const runtime::Error& error);

// The exception being handled as a value of JavaScript: call it inside a `catch` block.
Napi::Value CurrentErrorToJs(Napi::Env env);

// The body of a function that throws coded errors.
template <typename Body>
Napi::Value Throwing(Napi::Env env, const Body& body) {
  try {
    return body();
  } catch (...) {
    throw Napi::Error(env, CurrentErrorToJs(env));
  }
}

// The body of a function that never throws: its promise is rejected with a coded error.
template <typename Body>
Napi::Value Rejecting(Napi::Env env, const Body& body) {
  try {
    return body();
  } catch (...) {
    const auto deferred = Napi::Promise::Deferred::New(env);
    deferred.Reject(CurrentErrorToJs(env));
    return deferred.Promise();
  }
}

}  // namespace wuerstchen::binding

#endif  // CPP_BINDING_ERRORS_H_
