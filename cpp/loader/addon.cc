// The `loader` addon: NativeLoader of lib/native/types.ts. It knows nothing of libtorch, so it
// always loads.
#include <napi.h>

#include <exception>
#include <string>
#include <vector>

#include "loader/libraries.h"
#include "platform/library.h"

namespace wuerstchen::loader {
namespace {

[[noreturn]] void Throw(Napi::Env env, const char* code, const std::string& message) {
  auto error = Napi::Error::New(env, message);
  error.Set("code", code);
  throw error;
}

std::string ReadPath(Napi::Env env, Napi::Value value) {
  if (!value.IsString()) Throw(env, "INVALID_ARGUMENT", "Expected a path to be a string");
  auto path = value.As<Napi::String>().Utf8Value();
  // Anything else would be searched for in the system's directories.
  if (!platform::IsAbsolute(path)) {
    Throw(env, "INVALID_ARGUMENT", "Expected path to be absolute but received " + path);
  }
  return path;
}

void OpenAll(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  if (!info[0].IsArray()) Throw(env, "INVALID_ARGUMENT", "Expected paths to be an array");
  const auto paths = info[0].As<Napi::Array>();
  const BriefSpinning brief_spinning;
  for (uint32_t index = 0; index < paths.Length(); ++index) {
    const auto path = ReadPath(env, paths.Get(index));
    try {
      platform::OpenLibrary(path);
    } catch (const std::exception& error) {
      Throw(env, "DLOPEN_FAILED", error.what());
    }
  }
}

Napi::Value ListMapped(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  if (!info[0].IsString()) Throw(env, "INVALID_ARGUMENT", "Expected prefix to be a string");
  const auto paths = Mapped(info[0].As<Napi::String>().Utf8Value());
  auto list = Napi::Array::New(env, paths.size());
  for (uint32_t index = 0; index < paths.size(); ++index) list.Set(index, paths[index]);
  return list;
}

Napi::Value ReadTorchVersion(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  const auto version = TorchVersion(ReadPath(env, info[0]));
  if (!version) return env.Null();
  return Napi::String::New(env, *version);
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("open", Napi::Function::New<OpenAll>(env, "open"));
  exports.Set("mapped", Napi::Function::New<ListMapped>(env, "mapped"));
  exports.Set("torchVersion", Napi::Function::New<ReadTorchVersion>(env, "torchVersion"));
  return exports;
}

}  // namespace

NODE_API_MODULE(loader, Init)

}  // namespace wuerstchen::loader
