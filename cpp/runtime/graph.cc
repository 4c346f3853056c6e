#include "runtime/graph.h"

#include <ATen/ops/empty.h>
#include <torch/csrc/jit/python/update_graph_executor_opt.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/serialization/import.h>

#include <cmath>
#include <map>

#include "runtime/graph_edit.h"
#include "runtime/paging.h"
#include "runtime/private_memory.h"
#include "runtime/safetensors.h"
#include "runtime/slots.h"
#include "runtime/tensor.h"
#include "runtime/visits.h"
#include "runtime/weights.h"
#include "runtime/workspace.h"

namespace wuerstchen::runtime {
namespace {

constexpr char kStep[] = "step";  // the method that is run again and again

// On the CPU whatever the device: the placeholders of a graph are expanded from one element, and
// moving would fill them.
torch::jit::Module ReadModule(const std::string& path) {
  try {
    return torch::jit::load(path, at::kCPU);
  } catch (...) {
    const auto error = CurrentError();
    const bool memory = error.code() == ErrorCode::kOutOfMemory;
    throw Error(memory ? error.code() : ErrorCode::kGraphFailed,
                "Could not read the graph " + path + ": " + error.what());
  }
}

// Widens each weight where it is read, for as long as it is used: held narrow, computed in float32.
void WidenReads(const torch::jit::Module& module) {
  AfterReads(
      module, [](const at::Tensor& weight) { return weight.is_floating_point(); },
      [](torch::jit::Graph& graph, torch::jit::Value* weight) {
        return graph.insert(c10::aten::to, {weight, at::kFloat});
      });
}

std::vector<at::Tensor> Flatten(const c10::IValue& result, const std::string& method) {
  if (result.isTensor()) return {result.toTensor()};
  if (result.isTensorList()) return result.toTensorVector();
  std::vector<at::Tensor> tensors;
  if (result.isTuple()) {
    for (const auto& element : result.toTupleRef().elements()) {
      if (element.isTensor()) tensors.push_back(element.toTensor());
    }
    if (tensors.size() == result.toTupleRef().elements().size()) return tensors;
  }
  throw Error(ErrorCode::kGraphFailed,
              "Expected " + method + " to return tensors but received " + result.tagKind());
}

torch::jit::Method FindMethod(const TorchGraph& graph, const std::string& name) {
  const auto method = graph.module.find_method(name);
  if (method) return *method;
  throw Error(ErrorCode::kGraphFailed, "Expected the graph to have a method " + name);
}

// `modulate` takes timestep ratios, which half precision cannot hold: whole periods of its
// embedding would be lost.
bool WantsFloat32(const std::string& method) {
  return method == "modulate";
}

c10::IValue ToValue(const Input& input, const Workspace& workspace, at::ScalarType floating,
                    const c10::TypePtr& wanted) {
  if (const auto* number = std::get_if<double>(&input)) {
    if (wanted->kind() == c10::TypeKind::FloatType) return *number;
    constexpr double kMaxSafeInteger = 9007199254740991;
    if (*number == std::trunc(*number) && std::abs(*number) <= kMaxSafeInteger) {
      return static_cast<int64_t>(*number);
    }
    throw Error(ErrorCode::kInvalidArgument,
                "Expected inputs[] to be an integer but received " + std::to_string(*number));
  }
  const auto* host = std::get_if<HostTensor>(&input);
  const auto tensor =
      host != nullptr ? FromHost(*host, workspace.device) : Value(*std::get<TensorPtr>(input));
  return tensor.is_floating_point() ? tensor.to(floating) : tensor;
}

// Where the weights are that the graph's module has.
c10::Device HomeOf(const Workspace& workspace, const TorchGraph& graph) {
  return graph.visits ? c10::Device(c10::kCPU) : workspace.device;
}

// To the weights that the graph holds now.
void Bind(Compiled& compiled, const Slots& slots) {
  compiled.Bind([&slots](const std::string& name) {
    const auto slot = slots.find(name);
    if (slot != slots.end()) return slot->second.Get();
    throw Error(ErrorCode::kGraphFailed, "Expected the graph to have a weight " + name);
  });
}

std::vector<at::Tensor> RunAsItIs(TorchGraph& graph, const std::string& method,
                                  std::vector<c10::IValue> inputs) {
  const auto compiled = graph.compiled.find(method);
  if (compiled != graph.compiled.end()) return {compiled->second.Run(inputs)};
  return Flatten(FindMethod(graph, method)(std::move(inputs)), method);
}

// No recorder is no failure: steps run as they are.
void OpenRecordings(TorchGraph& graph, const std::string& recorder) {
  if (!graph.module.find_method(kStep)) return;
  try {
    graph.recorded = std::make_unique<Recordings>(OpenRecorder(recorder),
                                                  [&graph](const std::vector<c10::IValue>& inputs) {
                                                    return RunAsItIs(graph, kStep, inputs).at(0);
                                                  });
  } catch (...) {
    graph.unrecorded = CurrentError().what();
  }
}

// Code for another machine is no failure: the graph is there.
void LoadCompiled(TorchGraph& graph, const CompiledMethod& wanted, c10::Device device,
                  const Slots& slots) {
  try {
    Compiled compiled(wanted.file, device);
    Bind(compiled, slots);
    graph.compiled.emplace(wanted.method, std::move(compiled));
  } catch (...) {
    graph.refused.emplace(wanted.method, CurrentError().what());
  }
}

void CountWeights(const Workspace& workspace, TorchGraph& graph, const Slots& slots) {
  int64_t all = 0, copied = 0;
  for (const auto& [name, slot] : slots) {
    const auto weight = slot.Get();
    const auto bytes = static_cast<int64_t>(weight.nbytes());
    all += bytes;
    if (!weight.is_cpu() || !workspace.files.Cover(weight)) copied += bytes;
  }
  graph.weight_bytes = all;
  graph.copied_bytes = copied;
}

// A weight that is to be another one.
struct Change {
  Slot slot;
  WeightSource source;
  at::Tensor next;
};

// Where the next value of a weight will be: in the file, where the last one is if that is private
// memory, or in new memory, which is hardly taken before it is written.
at::Tensor PlaceFor(const Workspace& workspace, const WeightSource& source, const at::Tensor& now,
                    c10::Device home) {
  if (home.is_cpu() && source.is_stored()) return source.stored();
  const bool ours = now.device() == home && now.scalar_type() == source.type() &&
                    now.is_contiguous() && !(home.is_cpu() && workspace.files.Cover(now));
  if (ours) return now;
  if (home.is_cpu()) return AllocatePrivate(now.sizes(), source.type());
  return at::empty(now.sizes(), at::TensorOptions(home).dtype(source.type()));
}

// What was there before goes at once: no two values of more than one weight are held.
void Make(Change& change, c10::Device home) {
  auto& [slot, source, next] = change;
  if (!home.is_cpu()) {
    next.copy_(ReadWeight(source, at::kCPU));
  } else if (!source.is_stored()) {
    source.Fill(next);
    source.LetGo();
  }
  slot.Set(std::move(next));
}

}  // namespace

std::shared_ptr<Graph> Load(Workspace& workspace, const LoadRequest& request) {
  auto graph = std::make_shared<TorchGraph>(ReadModule(request.graph), ScalarTypeOf(request.stored),
                                            ScalarTypeOf(request.dtype), request.visits);
  workspace.files.read_ahead = request.read_ahead;
  const auto slots = CollectSlots(graph->module);
  CheckNames(slots, request);
  const auto home = HomeOf(workspace, *graph);
  for (const auto& binding : request.weights) {
    const auto& slot = slots.at(binding.name);
    const WeightSource source(workspace.files, binding, slot.Get(), graph->stored);
    slot.Set(ReadWeight(source, home));
  }
  CountWeights(workspace, *graph, slots);
  graph->module.eval();
  if (graph->stored != graph->dtype) WidenReads(graph->module);
  if (graph->visits) ReadVisitors(graph->module);
  if (request.kernels && workspace.device.is_cpu()) {
    graph->acceleration = Acceleration::Of(graph->module, graph->dtype, *request.kernels);
  }
  for (const auto& wanted : request.compiled) {
    LoadCompiled(*graph, wanted, workspace.device, slots);
  }
  if (request.recorder) OpenRecordings(*graph, *request.recorder);
  return graph;
}

void Rebind(Workspace& workspace, Graph& graph, const std::vector<WeightBinding>& weights) {
  auto& torch_graph = Torch(graph);
  const auto slots = CollectSlots(torch_graph.module);
  const auto home = HomeOf(workspace, torch_graph);
  std::vector<Change> changes;
  for (const auto& binding : weights) {
    const auto found = slots.find(binding.name);
    if (found == slots.end() || found->second.Get().sizes() != binding.stored.shape) {
      throw Error(ErrorCode::kWeightsFailed,
                  "Expected " + binding.name + " to be a parameter of its shape");
    }
    const auto now = found->second.Get();
    WeightSource source(workspace.files, binding, now, torch_graph.stored);
    auto next = PlaceFor(workspace, source, now, home);
    changes.push_back({found->second, std::move(source), std::move(next)});
  }
  for (auto& change : changes) Make(change, home);
  torch_graph.places.reset();  // of the weights before
  if (torch_graph.recorded != nullptr) torch_graph.recorded->Clear();
  for (auto& [method, compiled] : torch_graph.compiled) Bind(compiled, slots);
  CountWeights(workspace, torch_graph, slots);
  if (torch_graph.acceleration != nullptr) {
    std::vector<std::string> names;
    for (const auto& binding : weights) names.push_back(binding.name);
    torch_graph.acceleration->Forget(names);
    graph.kernel_bytes = torch_graph.acceleration->bytes();
  }
  changes.clear();
  TrimAllocator();
}

Places& PlacesOf(Workspace& workspace, TorchGraph& graph) {
  if (graph.places == nullptr) {
    std::vector<at::Tensor> weights;
    for (const auto& parameter : graph.module.parameters()) weights.push_back(parameter);
    for (const auto& buffer : graph.module.buffers()) weights.push_back(buffer);
    if (graph.visits) {
      graph.places = std::make_unique<Visits>(weights, workspace.device);
    } else {
      graph.places = std::make_unique<Pages>(workspace.files, weights);
    }
  }
  return *graph.places;
}

void Release(Workspace& workspace, Graph& graph) {
  auto& torch_graph = Torch(graph);
  PlacesOf(workspace, torch_graph).LetGoOfAll();
  if (torch_graph.acceleration != nullptr) {
    torch_graph.acceleration->Rest();
    graph.kernel_bytes = torch_graph.acceleration->bytes();
  }
  TrimAllocator();
}

void Prefetch(Workspace& workspace, Graph& graph) {
  PlacesOf(workspace, Torch(graph)).BringAll();
}

void LimitWeights(Workspace&, Graph& graph, int64_t window) {
  Torch(graph).window = window;
}

void Save(Workspace&, const Graph& graph, const std::string& path) {
  const auto slots = CollectSlots(static_cast<const TorchGraph&>(graph).module);
  std::vector<NamedTensor> tensors;
  for (const auto& [name, slot] : slots) tensors.push_back({name, slot.Get()});
  WriteSafetensors(path, tensors);
}

std::vector<at::Tensor> Call(Workspace& workspace, TorchGraph& graph, const std::string& method,
                             std::vector<c10::IValue> inputs, const std::vector<int64_t>& sources) {
  const MemoryMeter::Call measured(workspace.meter, graph.peak_bytes);
  std::optional<Walk> walk;
  if (graph.visits || graph.window > 0) {
    walk.emplace(PlacesOf(workspace, graph), method, graph.window);
  }
  if (graph.acceleration != nullptr) {
    const auto result = graph.acceleration->Run(method, inputs, sources);
    graph.kernel_bytes = graph.acceleration->bytes();
    if (result) return Flatten(*result, method);
  }
  if (graph.recorded != nullptr && method == kStep && !walk) return {graph.recorded->Run(inputs)};
  return RunAsItIs(graph, method, std::move(inputs));
}

StepRecordings TorchGraph::recordings() const {
  return recorded == nullptr ? StepRecordings{0, 0, unrecorded} : recorded->report();
}

std::vector<TensorPtr> Run(Workspace& workspace, Graph& graph, const std::string& method,
                           const std::vector<Input>& inputs) {
  auto& torch_graph = Torch(graph);
  // The first argument is the module itself.
  const auto& wanted = FindMethod(torch_graph, method).function().getSchema().arguments();
  if (wanted.size() != inputs.size() + 1) {
    throw Error(ErrorCode::kInvalidArgument, "Expected " + std::to_string(wanted.size() - 1) +
                                                 " inputs of " + method + " but received " +
                                                 std::to_string(inputs.size()));
  }
  const auto floating = WantsFloat32(method) ? at::kFloat : torch_graph.dtype;
  std::vector<c10::IValue> values;
  for (size_t index = 0; index < inputs.size(); ++index) {
    values.push_back(ToValue(inputs[index], workspace, floating, wanted[index + 1].type()));
  }
  std::vector<TensorPtr> results;
  for (auto& tensor : Call(workspace, torch_graph, method, std::move(values))) {
    results.push_back(Wrap(std::move(tensor)));
  }
  return results;
}

void DisableSpecialisation() {
  torch::jit::setGraphExecutorOptimize(false);
}

}  // namespace wuerstchen::runtime
