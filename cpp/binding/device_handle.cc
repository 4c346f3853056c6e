#include "binding/device_handle.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "binding/advance_arguments.h"
#include "binding/arguments.h"
#include "binding/call_arguments.h"
#include "binding/enqueue.h"
#include "binding/handle.h"
#include "binding/results.h"

namespace wuerstchen::binding {
namespace {

using runtime::Workspace;
using DevicePtr = std::shared_ptr<runtime::Device>;

constexpr int64_t kMaxThreads = 4096;
constexpr int64_t kMaxRows = 65536;  // of one seed

// Of options that may be left out.
bool IsSet(Napi::Value options, const char* name) {
  return options.IsObject() && options.As<Napi::Object>().Get(name).ToBoolean();
}

// A call about its first argument, a graph, that gives nothing back.
template <typename Change>
Napi::Value ChangeGraph(const Napi::CallbackInfo& info, runtime::Device& device, Change change) {
  auto work = [graph = GraphHandle::Read(info[0], "graph", device),
               change = std::move(change)](Workspace& workspace) {
    change(workspace, *graph);
    return true;
  };
  return Enqueue(info.Env(), device, std::move(work), PresentNothing);
}

}  // namespace

void DeviceHandle::Define(Napi::Env env) {
  const auto definition = DefineClass(
      env, "NativeDevice",
      {InstanceMethod<&DeviceHandle::Load>("load"), InstanceMethod<&DeviceHandle::Rebind>("rebind"),
       InstanceMethod<&DeviceHandle::Release>("release"),
       InstanceMethod<&DeviceHandle::Prefetch>("prefetch"),
       InstanceMethod<&DeviceHandle::LimitWeights>("limitWeights"),
       InstanceMethod<&DeviceHandle::Save>("save"),
       InstanceMethod<&DeviceHandle::SavePacked>("savePacked"),
       InstanceMethod<&DeviceHandle::KeepPacked>("keepPacked"),
       InstanceMethod<&DeviceHandle::Run>("run"), InstanceMethod<&DeviceHandle::Noise>("noise"),
       InstanceMethod<&DeviceHandle::DrawLatents>("drawLatents"),
       InstanceMethod<&DeviceHandle::Advance>("advance"),
       InstanceMethod<&DeviceHandle::Affine>("affine"), InstanceMethod<&DeviceHandle::Row>("row"),
       InstanceMethod<&DeviceHandle::Decode>("decode"), InstanceMethod<&DeviceHandle::Read>("read"),
       InstanceMethod<&DeviceHandle::TraceTasks>("traceTasks"),
       InstanceMethod<&DeviceHandle::Write>("write"),
       InstanceMethod<&DeviceHandle::Close>("close")});
  Environment::Of(env).device_class = Napi::Persistent(definition);
}

Napi::Value DeviceHandle::Open(const Napi::CallbackInfo& info) {
  return Throwing(info.Env(), [&]() -> Napi::Value {
    const auto options = ReadObject(info[0], "options");
    const auto name = ReadString(options.Get("device"), "device");
    const auto threads = ReadInteger(options.Get("threads"), "threads", 1, kMaxThreads);
    auto& environment = Environment::Of(info.Env());
    auto device =
        environment.Open(name, static_cast<int>(threads), ReadCpus(options.Get("cpus"), "cpus"));
    return Construct(environment, environment.device_class, &device);
  });
}

DeviceHandle::DeviceHandle(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<DeviceHandle>(info), completions_(Environment::Of(info.Env()).completions) {
  device_ = *static_cast<DevicePtr*>(TakeUnderConstruction(info.Env(), "NativeDevice"));
}

void DeviceHandle::Finalize(Napi::BasicEnv) {
  if (device_ == nullptr) return;
  const Completions::Parcel forget(
      [device = device_.get()](Napi::Env env) { Environment::Of(env).Forget(device); });
  device_->Finish([completions = completions_, forget] { completions->Post(forget); });
}

Napi::Value DeviceHandle::Load(const Napi::CallbackInfo& info) {
  return Rejecting(info.Env(), [&]() -> Napi::Value {
    auto work = [request = ReadLoadRequest(info[0])](Workspace& workspace) {
      return runtime::Load(workspace, request);
    };
    const auto present = [device = device_](Napi::Env env, auto& graph) -> Napi::Value {
      return GraphHandle::New(env, std::move(graph), device);
    };
    return Enqueue(info.Env(), *device_, std::move(work), present);
  });
}

Napi::Value DeviceHandle::Rebind(const Napi::CallbackInfo& info) {
  return Rejecting(info.Env(), [&] {
    return ChangeGraph(info, *device_,
                       [weights = ReadWeightBindings(info[1]),
                        or_refuse = IsSet(info[2], "orRefuse")](auto& workspace, auto& graph) {
                         runtime::Rebind(workspace, graph, weights, or_refuse);
                       });
  });
}

Napi::Value DeviceHandle::Release(const Napi::CallbackInfo& info) {
  return Rejecting(info.Env(), [&] { return ChangeGraph(info, *device_, runtime::Release); });
}

Napi::Value DeviceHandle::Prefetch(const Napi::CallbackInfo& info) {
  return Rejecting(info.Env(), [&] { return ChangeGraph(info, *device_, runtime::Prefetch); });
}

Napi::Value DeviceHandle::LimitWeights(const Napi::CallbackInfo& info) {
  return Rejecting(info.Env(), [&] {
    const auto window = ReadInteger(info[1], "window", 0, kMaxSafeInteger);
    return ChangeGraph(info, *device_, [window](auto& workspace, auto& graph) {
      runtime::LimitWeights(workspace, graph, window);
    });
  });
}

Napi::Value DeviceHandle::Save(const Napi::CallbackInfo& info) {
  return Rejecting(info.Env(), [&] {
    return ChangeGraph(info, *device_,
                       [path = ReadString(info[1], "path")](auto& workspace, auto& graph) {
                         runtime::Save(workspace, graph, path);
                       });
  });
}

Napi::Value DeviceHandle::SavePacked(const Napi::CallbackInfo& info) {
  return Rejecting(info.Env(), [&] {
    return ChangeGraph(info, *device_,
                       [path = ReadString(info[1], "path")](auto& workspace, auto& graph) {
                         runtime::SavePacked(workspace, graph, path);
                       });
  });
}

Napi::Value DeviceHandle::KeepPacked(const Napi::CallbackInfo& info) {
  return Rejecting(info.Env(), [&] {
    return ChangeGraph(info, *device_,
                       [packed = ReadPackedTensors(info[1])](auto& workspace, auto& graph) {
                         runtime::KeepPacked(workspace, graph, packed);
                       });
  });
}

Napi::Value DeviceHandle::Run(const Napi::CallbackInfo& info) {
  return Rejecting(info.Env(), [&]() -> Napi::Value {
    const auto graph = GraphHandle::Read(info[0], "graph", *device_);
    auto work = [graph, method = ReadString(info[1], "method"),
                 inputs = ReadInputs(info[2], *device_)](Workspace& workspace) {
      return runtime::Run(workspace, *graph, method, inputs);
    };
    const auto present = [device = device_](Napi::Env env, auto& tensors) -> Napi::Value {
      auto array = Napi::Array::New(env, tensors.size());
      for (uint32_t index = 0; index < tensors.size(); ++index) {
        array.Set(index, TensorHandle::New(env, std::move(tensors[index]), device));
      }
      return array;
    };
    return Enqueue(info.Env(), *device_, std::move(work), present);
  });
}

Napi::Value DeviceHandle::Noise(const Napi::CallbackInfo& info) {
  return Throwing(info.Env(), [&]() -> Napi::Value {
    const auto options = ReadObject(info[0], "options");
    const auto seed = ReadInteger(options.Get("seed"), "seed", 0, kMaxSafeInteger);
    const auto rows = ReadInteger(options.Get("rows"), "rows", 1, kMaxRows);
    const auto dtype = ReadDtype(options.Get("dtype"), "dtype");
    auto noise = runtime::MakeNoise(static_cast<uint64_t>(seed), rows, dtype);
    return NoiseHandle::New(info.Env(), std::move(noise), device_);
  });
}

Napi::Value DeviceHandle::DrawLatents(const Napi::CallbackInfo& info) {
  return Rejecting(info.Env(), [&]() -> Napi::Value {
    const auto options = ReadObject(info[0], "options");
    const auto noise = NoiseHandle::Read(options.Get("noise"), "noise", *device_);
    const auto row = ReadInteger(options.Get("noiseRow"), "noiseRow", 0, noise->rows - 1);
    auto shape = ReadShape(options.Get("shape"), "shape");
    if (shape.size() != 3) ThrowInvalid("shape", "[C, H, W]", options.Get("shape"));
    shape.insert(shape.begin(), 1);
    auto work = [noise, row, shape](Workspace& workspace) {
      return runtime::DrawLatents(workspace, *noise, row, shape);
    };
    return Enqueue(info.Env(), *device_, std::move(work), PresentTensor(device_));
  });
}

Napi::Value DeviceHandle::Advance(const Napi::CallbackInfo& info) {
  return Rejecting(info.Env(), [&]() -> Napi::Value {
    auto work = [request = ReadAdvanceRequest(info[0], *device_)](Workspace& workspace) {
      runtime::Advance(workspace, request);
      return true;
    };
    return Enqueue(info.Env(), *device_, std::move(work), PresentNothing);
  });
}

Napi::Value DeviceHandle::Affine(const Napi::CallbackInfo& info) {
  return Rejecting(info.Env(), [&]() -> Napi::Value {
    const auto tensor = TensorHandle::Read(info[0], "tensor", *device_);
    auto work = [tensor, scale = ReadFinite(info[1], "scale"),
                 shift = ReadFinite(info[2], "shift")](Workspace& workspace) {
      return runtime::Affine(workspace, *tensor, scale, shift);
    };
    return Enqueue(info.Env(), *device_, std::move(work), PresentTensor(device_));
  });
}

Napi::Value DeviceHandle::Row(const Napi::CallbackInfo& info) {
  return Throwing(info.Env(), [&]() -> Napi::Value {
    const auto tensor = TensorHandle::Read(info[0], "tensor", *device_);
    if (tensor->shape.empty()) ThrowInvalid("Expected tensor to have rows");
    const auto index = ReadInteger(info[1], "row", 0, tensor->shape[0] - 1);
    const auto row = runtime::DeclareRow(*tensor);
    const auto fill = [row, tensor, index](Workspace& workspace) noexcept {
      runtime::FillRow(workspace, *row, *tensor, index);
    };
    PostOrThrow(*device_, {fill});
    return TensorHandle::New(info.Env(), row, device_);
  });
}

Napi::Value DeviceHandle::Decode(const Napi::CallbackInfo& info) {
  return Rejecting(info.Env(), [&]() -> Napi::Value {
    auto work = [graph = GraphHandle::Read(info[0], "graph", *device_),
                 latents = TensorHandle::Read(info[1], "latents", *device_)](Workspace& workspace) {
      return runtime::Decode(workspace, *graph, *latents);
    };
    return Enqueue(info.Env(), *device_, std::move(work), PresentPixels);
  });
}

Napi::Value DeviceHandle::TraceTasks(const Napi::CallbackInfo& info) {
  return Rejecting(info.Env(), [&]() -> Napi::Value {
    auto work = [threads = ReadInteger(info[0], "threads", 0, kMaxThreads),
                 runs = info[1].ToBoolean().Value()](Workspace& workspace) {
      return runtime::TraceTasks(workspace, threads, runs);
    };
    return Enqueue(info.Env(), *device_, std::move(work), PresentNumbers);
  });
}

Napi::Value DeviceHandle::Read(const Napi::CallbackInfo& info) {
  return Rejecting(info.Env(), [&]() -> Napi::Value {
    auto work = [tensor = TensorHandle::Read(info[0], "tensor", *device_)](Workspace& workspace) {
      return runtime::Read(workspace, *tensor);
    };
    return Enqueue(info.Env(), *device_, std::move(work), PresentNumbers);
  });
}

Napi::Value DeviceHandle::Write(const Napi::CallbackInfo& info) {
  return Rejecting(info.Env(), [&]() -> Napi::Value {
    auto work = [tensor = ReadHostTensor(info[0], "tensor")](Workspace& workspace) {
      return runtime::Write(workspace, tensor);
    };
    return Enqueue(info.Env(), *device_, std::move(work), PresentTensor(device_));
  });
}

Napi::Value DeviceHandle::Close(const Napi::CallbackInfo& info) {
  return Rejecting(info.Env(), [&]() -> Napi::Value {
    const auto env = info.Env();
    if (!closing_.IsEmpty()) return closing_.Value();
    const auto deferred = Napi::Promise::Deferred::New(env);
    const Completions::Parcel settle(
        [completions = completions_, deferred, device = device_.get()](Napi::Env env) {
          completions->Settled(env);
          Environment::Of(env).Forget(device);
          deferred.Resolve(env.Undefined());
        });
    device_->Finish([completions = completions_, settle] { completions->Post(settle); });
    completions_->Expect(env);
    closing_ = Napi::Persistent(deferred.Promise());
    return deferred.Promise();
  });
}

}  // namespace wuerstchen::binding
