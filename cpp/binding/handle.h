// A JavaScript object that holds something of the runtime: a tensor, a graph, a noise stream.
// It lets go when disposed (safe twice) or collected, and lets go on the device's thread: what a
// queued task uses stays alive, freeing gigabytes does not hold up JavaScript, and memory is freed
// in the order of the calls. JavaScript thread only.
#ifndef CPP_BINDING_HANDLE_H_
#define CPP_BINDING_HANDLE_H_

#include <napi.h>

#include <atomic>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "binding/arguments.h"
#include "binding/environment.h"
#include "binding/errors.h"
#include "runtime/runtime.h"

namespace wuerstchen::binding {

Napi::Array ToArray(Napi::Env env, const runtime::Shape& shape);

// What differs between the kinds; one specialisation each, below.
template <typename Held>
struct HandleKind;

template <typename Held>
class Handle final : public Napi::ObjectWrap<Handle<Held>> {
 public:
  using Kind = HandleKind<Held>;
  using Device = std::shared_ptr<runtime::Device>;

  static void Define(Napi::Env env);
  static Napi::Object New(Napi::Env env, std::shared_ptr<Held> held, Device device);

  // Whether a JavaScript value is a handle of this kind, alive or not.
  static bool Is(Napi::Value value);
  // What a JavaScript value holds. Throws kInvalidArgument or kDisposed.
  static std::shared_ptr<Held> Read(Napi::Value value, const char* name,
                                    const runtime::Device& device);

  explicit Handle(const Napi::CallbackInfo& info);
  void Finalize(Napi::BasicEnv env) { LetGo(env); }

 private:
  struct Contents {
    std::shared_ptr<Held> held;  // null once disposed
    Device device;
    int64_t external_bytes = 0;
  };

  Napi::Value Dispose(const Napi::CallbackInfo& info);
  Napi::Value ReleaseRow(const Napi::CallbackInfo& info)
    requires std::is_same_v<Held, runtime::Noise>;
  Napi::Value Memory(const Napi::CallbackInfo& info)
    requires std::is_same_v<Held, runtime::Graph>;
  // One of a graph's counts.
  template <std::atomic<int64_t> runtime::Graph::* kCount>
  Napi::Value Bytes(const Napi::CallbackInfo& info)
    requires std::is_same_v<Held, runtime::Graph>;
  Napi::Value Recordings(const Napi::CallbackInfo& info)
    requires std::is_same_v<Held, runtime::Graph>;
  void LetGo(Napi::BasicEnv env);

  Contents contents_;
};

using TensorHandle = Handle<runtime::Tensor>;
using GraphHandle = Handle<runtime::Graph>;
using NoiseHandle = Handle<runtime::Noise>;

template <>
struct HandleKind<runtime::Tensor> {
  static constexpr const char* kName = "NativeTensor";
  static constexpr napi_type_tag kTag = {0x6a1d5c0b7e4f4b0a, 0x9d2c3e8f51b7a601};
  static constexpr auto kClass = &Environment::tensor_class;
  static constexpr bool kBelongsToDevice = true;
  static void Describe(Napi::Object self, const runtime::Tensor& tensor);
  static int64_t ExternalBytes(const runtime::Tensor& tensor) { return tensor.bytes; }
};

template <>
struct HandleKind<runtime::Graph> {
  static constexpr const char* kName = "NativeGraph";
  static constexpr napi_type_tag kTag = {0x6a1d5c0b7e4f4b0a, 0x9d2c3e8f51b7a602};
  static constexpr auto kClass = &Environment::graph_class;
  static constexpr bool kBelongsToDevice = true;
  static void Describe(Napi::Object self, const runtime::Graph& graph);
  // None: whoever loads gigabytes disposes of them, and V8 would collect in vain at every load.
  static int64_t ExternalBytes(const runtime::Graph&) { return 0; }
};

template <>
struct HandleKind<runtime::Noise> {
  static constexpr const char* kName = "NativeNoise";
  static constexpr napi_type_tag kTag = {0x6a1d5c0b7e4f4b0a, 0x9d2c3e8f51b7a603};
  static constexpr auto kClass = &Environment::noise_class;
  static constexpr bool kBelongsToDevice = false;  // the images of one request may run on several
  static void Describe(Napi::Object, const runtime::Noise&) {}
  static int64_t ExternalBytes(const runtime::Noise&) { return 0; }
};

}  // namespace wuerstchen::binding

#endif  // CPP_BINDING_HANDLE_H_
