// Runs the methods of a graph.
#include "runtime/graph.h"

#include <torch/csrc/jit/python/update_graph_executor_opt.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include <cmath>

#include "runtime/acceleration.h"
#include "runtime/interruption.h"
#include "runtime/numbers.h"
#include "runtime/tensor.h"
#include "runtime/workspace.h"

namespace wuerstchen::runtime {
namespace {

// `modulate` takes timestep ratios, which half precision cannot hold: whole periods of its
// embedding would be lost.
bool WantsFloat32(const std::string& method) {
  return method == "modulate";
}

c10::IValue ToValue(const Input& input, const Workspace& workspace, at::ScalarType floating,
                    const c10::TypePtr& wanted) {
  if (const auto* number = std::get_if<double>(&input)) {
    if (wanted->kind() == c10::TypeKind::FloatType) return *number;
    const auto largest = static_cast<double>(kMaxSafeInteger);
    if (*number == std::trunc(*number) && std::abs(*number) <= largest) {
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

int64_t BytesKept(const TorchGraph& graph) {
  int64_t bytes = 0;
  for (const auto& executor : graph.executors) bytes += executor->bytes();
  return bytes;
}

std::vector<at::Tensor> RunWithFirst(TorchGraph& graph, const MethodCall& call) {
  try {
    for (const auto& executor : graph.executors) {
      if (auto results = executor->Run(call)) return std::move(*results);
    }
  } catch (...) {
    StopIfHalting();  // the interpreter tells but the text of what stopped it
    throw;
  }
  throw Error(ErrorCode::kInternal, "Nothing runs " + call.method + ". This is a bug.");
}

}  // namespace

std::vector<at::Tensor> Call(Workspace& workspace, TorchGraph& graph, const std::string& method,
                             const std::vector<c10::IValue>& inputs,
                             const std::vector<int64_t>& sources) {
  if (!graph.lost.empty()) {
    throw Error(ErrorCode::kWeightsFailed,
                "Expected " + *graph.lost.begin() + " to have a value but a change of it failed");
  }
  const MemoryMeter::Call measured(workspace.meter, graph.peak_bytes);
  std::optional<Walk> walk;
  if (graph.visits || graph.window > 0) {
    walk.emplace(PlacesOf(workspace, graph), method, graph.window);
  }
  auto results = RunWithFirst(graph, {method, inputs, sources, walk.has_value()});
  graph.kernel_bytes = BytesKept(graph);
  return results;
}

std::vector<TensorPtr> Run(Workspace& workspace, Graph& graph, const std::string& method,
                           const std::vector<Input>& inputs) {
  auto& torch_graph = Torch(graph);
  // The first argument is the module itself.
  const auto& wanted = FindMethod(torch_graph.module, method).function().getSchema().arguments();
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
  for (auto& tensor : Call(workspace, torch_graph, method, values)) {
    results.push_back(Wrap(std::move(tensor)));
  }
  return results;
}

StepRecordings TorchGraph::recordings() const {
  return recorded == nullptr ? StepRecordings{0, 0, unrecorded} : recorded->report();
}

std::vector<at::Tensor> KeptOf(const TorchGraph& graph) {
  return graph.kernels == nullptr ? std::vector<at::Tensor>() : graph.kernels->Kept();
}

std::set<std::string> ReplacedIn(const TorchGraph& graph) {
  return graph.kernels == nullptr ? std::set<std::string>() : graph.kernels->Replaced();
}

void CountMemory(const Workspace& workspace, TorchGraph& graph, const Slots& slots) {
  int64_t all = 0, copied = 0;
  const auto replaced = ReplacedIn(graph);
  for (const auto& kept : KeptOf(graph)) all += static_cast<int64_t>(kept.nbytes());
  for (const auto& [name, slot] : slots) {
    const auto weight = slot.Get();
    const bool is_mapped = weight.is_cpu() && workspace.files.Cover(weight);
    if (is_mapped && replaced.contains(name)) continue;  // its pages are not there
    const auto bytes = static_cast<int64_t>(weight.nbytes());
    all += bytes;
    if (!is_mapped) copied += bytes;
  }
  graph.weight_bytes = all;
  graph.copied_bytes = copied;
  graph.kernel_bytes = BytesKept(graph);
  graph.repacked_bytes = graph.kernels == nullptr ? 0 : graph.kernels->repacked_bytes();
}

void DisableSpecialisation() {
  torch::jit::setGraphExecutorOptimize(false);
}

}  // namespace wuerstchen::runtime
