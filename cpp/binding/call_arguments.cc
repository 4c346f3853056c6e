#include "binding/call_arguments.h"

#include "binding/arguments.h"
#include "binding/handle.h"

namespace wuerstchen::binding {
namespace {

runtime::Input ReadInput(Napi::Value value, const runtime::Device& device) {
  if (value.IsNumber()) return ReadFinite(value, "inputs[]");
  if (TensorHandle::Is(value)) return TensorHandle::Read(value, "inputs[]", device);
  return ReadHostTensor(value, "inputs[]");
}

}  // namespace

std::vector<runtime::Input> ReadInputs(Napi::Value value, const runtime::Device& device) {
  const auto array = ReadArray(value, "inputs");
  std::vector<runtime::Input> inputs;
  for (uint32_t index = 0; index < array.Length(); ++index) {
    inputs.push_back(ReadInput(array.Get(index), device));
  }
  return inputs;
}

runtime::LoadRequest ReadLoadRequest(Napi::Value value) {
  const auto object = ReadObject(value, "options");
  runtime::LoadRequest request;
  request.graph = ReadString(object.Get("graph"), "graph");
  request.stored = ReadDtype(object.Get("stored"), "stored");
  request.dtype = ReadDtype(object.Get("dtype"), "dtype");
  request.kernels = ReadKernelOptions(object.Get("kernels"));
  request.blocks = ReadBlockFacts(object.Get("blocks"));
  request.compiled = ReadCompiledMethods(object.Get("compiled"));
  const auto recorder = object.Get("recorder");
  if (!recorder.IsUndefined()) request.recorder = ReadString(recorder, "recorder");
  request.read_ahead = !object.Get("lazy").ToBoolean();
  request.visits = object.Get("visits").ToBoolean();
  request.weights = ReadWeightBindings(object.Get("weights"));
  return request;
}

}  // namespace wuerstchen::binding
