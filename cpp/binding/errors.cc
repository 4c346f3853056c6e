#include "binding/errors.h"

namespace wuerstchen::binding {
namespace {

const char* CodeText(runtime::ErrorCode code) {
  switch (code) {
    case runtime::ErrorCode::kInvalidArgument:
      return "INVALID_ARGUMENT";
    case runtime::ErrorCode::kGraphFailed:
      return "GRAPH_FAILED";
    case runtime::ErrorCode::kWeightsFailed:
      return "WEIGHTS_FAILED";
    case runtime::ErrorCode::kOutOfMemory:
      return "OUT_OF_MEMORY";
    case runtime::ErrorCode::kDisposed:
      return "DISPOSED";
    case runtime::ErrorCode::kInternal:
      return "INTERNAL";
  }
  return "INTERNAL";
}

}  // namespace

Napi::Value ToJs(Napi::Env env, const runtime::Error& error) {
  const auto code = Napi::String::New(env, CodeText(error.code()));
  const auto message = Napi::String::New(env, error.what());
  napi_value value = nullptr;
  // Not `Napi::Error`: setting its code would run script, which an environment that is being
  // terminated refuses.
  if (napi_create_error(env, code, message, &value) != napi_ok) return env.Undefined();
  return Napi::Value(env, value);
}

Napi::Value CurrentErrorToJs(Napi::Env env) {
  try {
    throw;
  } catch (const Napi::Error& error) {
    return error.Value();  // thrown by script: a getter of an argument, say
  } catch (...) {
    return ToJs(env, runtime::CurrentError());
  }
}

}  // namespace wuerstchen::binding
