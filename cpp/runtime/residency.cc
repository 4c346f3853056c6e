// Which of a graph's weights are in memory, or on its device; and a copy of all in a file.
#include "runtime/graph.h"
#include "runtime/paging.h"
#include "runtime/safetensors.h"
#include "runtime/visits.h"
#include "runtime/workspace.h"

namespace wuerstchen::runtime {

c10::Device HomeOf(const Workspace& workspace, const TorchGraph& graph) {
  return graph.visits ? c10::Device(c10::kCPU) : workspace.device;
}

Places& PlacesOf(Workspace& workspace, TorchGraph& graph) {
  if (graph.places == nullptr) {
    std::vector<at::Tensor> weights;
    const auto replaced = ReplacedIn(graph);
    for (const auto& parameter : graph.module.named_parameters()) {
      if (!replaced.contains(parameter.name)) weights.push_back(parameter.value);
    }
    for (const auto& buffer : graph.module.buffers()) weights.push_back(buffer);
    for (const auto& kept : KeptOf(graph)) weights.push_back(kept);
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
  int64_t kept = 0;
  for (const auto& executor : torch_graph.executors) {
    executor->Rest();
    kept += executor->bytes();
  }
  graph.kernel_bytes = kept;
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

}  // namespace wuerstchen::runtime
