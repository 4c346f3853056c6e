#include "binding/handle.h"

#include <vector>

namespace wuerstchen::binding {
namespace {

void DefineConstant(Napi::Object object, const char* name, Napi::Value value) {
  object.DefineProperty(Napi::PropertyDescriptor::Value(name, value, napi_enumerable));
}

}  // namespace

Napi::Array ToArray(Napi::Env env, const runtime::Shape& shape) {
  auto array = Napi::Array::New(env, shape.size());
  for (uint32_t axis = 0; axis < shape.size(); ++axis) {
    array.Set(axis, static_cast<double>(shape[axis]));
  }
  return array;
}

void HandleKind<runtime::Tensor>::Describe(Napi::Object self, const runtime::Tensor& tensor) {
  DefineConstant(self, "shape", ToArray(self.Env(), tensor.shape));
}

void HandleKind<runtime::Graph>::Describe(Napi::Object self, const runtime::Graph& graph) {
  auto refused = Napi::Object::New(self.Env());
  for (const auto& [method, reason] : graph.refused) refused.Set(method, reason);
  DefineConstant(self, "refused", refused);
}

template <typename Held>
void Handle<Held>::Define(Napi::Env env) {
  using Self = Napi::ObjectWrap<Handle>;
  std::vector<Napi::ClassPropertyDescriptor<Handle>> methods;
  methods.push_back(Self::template InstanceMethod<&Handle::Dispose>("dispose"));
  if constexpr (std::is_same_v<Held, runtime::Noise>) {
    methods.push_back(Self::template InstanceMethod<&Handle::ReleaseRow>("release"));
  }
  if constexpr (std::is_same_v<Held, runtime::Graph>) {
    methods.push_back(Self::template InstanceAccessor<&Handle::Memory>("memory"));
    methods.push_back(
        Self::template InstanceMethod<&Handle::template Bytes<&runtime::Graph::peak_bytes>>(
            "peakBytes"));
    methods.push_back(
        Self::template InstanceMethod<&Handle::template Bytes<&runtime::Graph::kernel_bytes>>(
            "kernelBytes"));
    methods.push_back(
        Self::template InstanceMethod<&Handle::template Bytes<&runtime::Graph::repacked_bytes>>(
            "repackedBytes"));
    methods.push_back(Self::template InstanceMethod<&Handle::Recordings>("recordings"));
  }
  Environment::Of(env).*Kind::kClass =
      Napi::Persistent(Self::DefineClass(env, Kind::kName, methods));
}

template <typename Held>
Napi::Object Handle<Held>::New(Napi::Env env, std::shared_ptr<Held> held, Device device) {
  auto& environment = Environment::Of(env);
  Contents contents{std::move(held), std::move(device)};
  return Construct(environment, environment.*Kind::kClass, &contents);
}

template <typename Held>
bool Handle<Held>::Is(Napi::Value value) {
  return value.IsObject() && value.As<Napi::Object>().CheckTypeTag(&Kind::kTag);
}

template <typename Held>
std::shared_ptr<Held> Handle<Held>::Read(Napi::Value value, const char* name,
                                         const runtime::Device& device) {
  if (!Is(value)) ThrowInvalid(name, std::string("a ") + Kind::kName, value);
  const auto& contents = Handle::Unwrap(value.As<Napi::Object>())->contents_;
  if (contents.held == nullptr) {
    throw runtime::Error(runtime::ErrorCode::kDisposed,
                         std::string("Expected ") + name + " to be alive but it was disposed");
  }
  if (Kind::kBelongsToDevice && contents.device.get() != &device) {
    ThrowInvalid(std::string("Expected ") + name + " to be of this device");
  }
  return contents.held;
}

template <typename Held>
Handle<Held>::Handle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Handle>(info) {
  contents_ = std::move(*static_cast<Contents*>(TakeUnderConstruction(info.Env(), Kind::kName)));
  const auto self = info.This().As<Napi::Object>();
  self.TypeTag(&Kind::kTag);
  Kind::Describe(self, *contents_.held);
  contents_.external_bytes = Kind::ExternalBytes(*contents_.held);
  Napi::MemoryManagement::AdjustExternalMemory(info.Env(), contents_.external_bytes);
}

template <typename Held>
Napi::Value Handle<Held>::Dispose(const Napi::CallbackInfo& info) {
  LetGo(info.Env());
  return info.Env().Undefined();
}

template <typename Held>
Napi::Value Handle<Held>::ReleaseRow(const Napi::CallbackInfo& info)
  requires std::is_same_v<Held, runtime::Noise>
{
  return Throwing(info.Env(), [&] {
    const auto noise = contents_.held;
    if (noise == nullptr) return info.Env().Undefined();
    const int64_t row = ReadInteger(info[0], "row", 0, noise->rows - 1);
    const auto release = [noise, row](runtime::Workspace&) { noise->Release(row); };
    // In its place in the queue: calls made before this one still draw.
    if (!contents_.device->Post({release})) noise->Release(row);
    return info.Env().Undefined();
  });
}

template <typename Held>
Napi::Value Handle<Held>::Memory(const Napi::CallbackInfo& info)
  requires std::is_same_v<Held, runtime::Graph>
{
  const auto env = info.Env();
  const auto graph = contents_.held;
  const int64_t weights = graph == nullptr ? 0 : graph->weight_bytes.load();
  const int64_t copied = graph == nullptr ? 0 : graph->copied_bytes.load();
  auto memory = Napi::Object::New(env);
  memory.Set("weights", static_cast<double>(weights));
  memory.Set("copied", static_cast<double>(copied));
  return memory;
}

template <typename Held>
template <std::atomic<int64_t> runtime::Graph::* kCount>
Napi::Value Handle<Held>::Bytes(const Napi::CallbackInfo& info)
  requires std::is_same_v<Held, runtime::Graph>
{
  const auto graph = contents_.held;
  const int64_t bytes = graph == nullptr ? 0 : (graph.get()->*kCount).load();
  return Napi::Number::New(info.Env(), static_cast<double>(bytes));
}

template <typename Held>
Napi::Value Handle<Held>::Recordings(const Napi::CallbackInfo& info)
  requires std::is_same_v<Held, runtime::Graph>
{
  const auto env = info.Env();
  const auto graph = contents_.held;
  const auto recordings = graph == nullptr ? runtime::StepRecordings{} : graph->recordings();
  auto object = Napi::Object::New(env);
  object.Set("recorded", static_cast<double>(recordings.recorded));
  object.Set("replayed", static_cast<double>(recordings.replayed));
  object.Set("refused",
             recordings.refused.empty() ? env.Null() : Napi::String::New(env, recordings.refused));
  return object;
}

template <typename Held>
void Handle<Held>::LetGo(Napi::BasicEnv env) {
  if (contents_.held == nullptr) return;
  Napi::MemoryManagement::AdjustExternalMemory(env, -contents_.external_bytes);
  contents_.device->Post({[held = std::exchange(contents_.held, nullptr)](runtime::Workspace&) {}});
}

template class Handle<runtime::Tensor>;
template class Handle<runtime::Graph>;
template class Handle<runtime::Noise>;

}  // namespace wuerstchen::binding
