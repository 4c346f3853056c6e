// A TorchScript graph with its weights. Belongs to the device's thread.
#ifndef CPP_RUNTIME_GRAPH_H_
#define CPP_RUNTIME_GRAPH_H_

#include <torch/csrc/jit/api/module.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "runtime/executor.h"
#include "runtime/private_memory.h"
#include "runtime/recordings.h"
#include "runtime/runtime.h"
#include "runtime/walk.h"

namespace wuerstchen::runtime {

class Acceleration;

struct TorchGraph final : Graph {
  TorchGraph(torch::jit::Module module, at::ScalarType stored, at::ScalarType dtype, bool visits)
      : module(std::move(module)), stored(stored), dtype(dtype), visits(visits) {}

  StepRecordings recordings() const override;

  // First, so that it ends last: what the graph held goes back to the system with it.
  struct Trimmed {
    ~Trimmed() { TrimAllocator(); }
  };
  const Trimmed trimmed;
  torch::jit::Module module;
  const at::ScalarType stored;                       // of its floating weights
  const at::ScalarType dtype;                        // of what it takes and computes in
  const bool visits;                                 // whether its weights stay on the host
  std::map<std::string, WeightBinding> bindings;     // what its weights are, by name
  std::set<std::string> lost;                        // those that are nothing whole (`Rebind`)
  std::vector<std::unique_ptr<Executor>> executors;  // the first that can runs a method
  Acceleration* kernels = nullptr;                   // one of them; null where there are none
  const Recordings* recorded = nullptr;              // one of them; null where there are none
  std::string unrecorded;                            // why there are none, where some were wanted
  std::unique_ptr<Places> places;                    // of its weights, once somebody asked for them
  int64_t window = 0;                                // bytes of them that a call holds; 0 is all
};

inline TorchGraph& Torch(Graph& graph) {
  return static_cast<TorchGraph&>(graph);
}

// Runs a method; a tensor, a tuple and a list of tensors all come as a list. `sources`: see
// `MethodCall`.
std::vector<at::Tensor> Call(Workspace& workspace, TorchGraph& graph, const std::string& method,
                             const std::vector<c10::IValue>& inputs,
                             const std::vector<int64_t>& sources = {});

// Where the weights are that the graph's module has.
c10::Device HomeOf(const Workspace& workspace, const TorchGraph& graph);
// What is read in place of some weights, and the names of these (`KeepPacked`).
std::vector<at::Tensor> KeptOf(const TorchGraph& graph);
std::set<std::string> ReplacedIn(const TorchGraph& graph);
// The places of its weights, for who lets go of them or brings them.
Places& PlacesOf(Workspace& workspace, TorchGraph& graph);
// Counts its weights and what its executors keep.
void CountMemory(const Workspace& workspace, TorchGraph& graph, const Slots& slots);

// Makes this thread run graphs as they are written, without profiling or specialising them.
void DisableSpecialisation();

}  // namespace wuerstchen::runtime

#endif  // CPP_RUNTIME_GRAPH_H_
