// From a graph's file and its weights' to a graph that runs.
#include <torch/csrc/jit/serialization/import.h>

#include "runtime/acceleration.h"
#include "runtime/compiled_methods.h"
#include "runtime/graph.h"
#include "runtime/graph_edit.h"
#include "runtime/interruption.h"
#include "runtime/tensor.h"
#include "runtime/visits.h"
#include "runtime/weights.h"
#include "runtime/workspace.h"

namespace wuerstchen::runtime {
namespace {

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

void BindWeights(Workspace& workspace, TorchGraph& graph, const LoadRequest& request,
                 const Slots& slots) {
  const auto home = HomeOf(workspace, graph);
  for (const auto& binding : request.weights) {
    StopIfHalting();
    const auto& slot = slots.at(binding.name);
    const WeightSource source(workspace.files, binding, slot.Get(), graph.stored);
    slot.Set(ReadWeight(source, home));
    graph.bindings.emplace(binding.name, binding);
  }
}

// Code for another machine is no failure: the graph is there.
std::unique_ptr<Executor> LoadCompiled(TorchGraph& graph, const std::vector<CompiledMethod>& wanted,
                                       c10::Device device, const Slots& slots) {
  auto methods = std::make_unique<CompiledMethods>();
  for (const auto& method : wanted) {
    try {
      methods->Load(method, device, slots);
    } catch (...) {
      graph.refused.emplace(method.method, CurrentError().what());
    }
  }
  return methods;
}

// A step as whoever comes after the recordings runs it.
at::Tensor RunStep(const TorchGraph& graph, const std::vector<c10::IValue>& inputs) {
  const std::string method = kStep;
  const std::vector<int64_t> sources;
  bool after = false;
  for (const auto& executor : graph.executors) {
    if (after) {
      if (const auto results = executor->Run({method, inputs, sources, false}))
        return results->at(0);
    }
    after = after || executor.get() == graph.recorded;
  }
  throw Error(ErrorCode::kInternal, "Nothing runs a step. This is a bug.");
}

// No recorder is no failure: steps run as they are.
void OpenRecordings(TorchGraph& graph, const std::string& recorder) {
  if (!graph.module.find_method(kStep)) return;
  try {
    const auto step = [&graph](const auto& inputs) { return RunStep(graph, inputs); };
    auto recordings = std::make_unique<Recordings>(OpenRecorder(recorder), step);
    graph.recorded = recordings.get();
    graph.executors.push_back(std::move(recordings));
  } catch (...) {
    graph.unrecorded = CurrentError().what();
  }
}

}  // namespace

std::shared_ptr<Graph> Load(Workspace& workspace, const LoadRequest& request) {
  auto graph = std::make_shared<TorchGraph>(ReadModule(request.graph), ScalarTypeOf(request.stored),
                                            ScalarTypeOf(request.dtype), request.visits);
  workspace.files.read_ahead = request.read_ahead;
  const auto slots = CollectSlots(graph->module);
  CheckNames(slots, request);
  BindWeights(workspace, *graph, request, slots);
  graph->module.eval();
  if (graph->stored != graph->dtype) WidenReads(graph->module);
  WatchReads(graph->module);
  auto& executors = graph->executors;
  if (request.kernels && workspace.device.is_cpu()) {
    auto kernels = Acceleration::Of(graph->module, graph->dtype, *request.kernels, request.blocks);
    graph->kernels = kernels.get();
    if (kernels != nullptr) executors.push_back(std::move(kernels));
  }
  if (request.recorder) OpenRecordings(*graph, *request.recorder);
  executors.push_back(LoadCompiled(*graph, request.compiled, workspace.device, slots));
  executors.push_back(std::make_unique<Interpreter>(graph->module));
  CountMemory(workspace, *graph, slots);
  return graph;
}

}  // namespace wuerstchen::runtime
