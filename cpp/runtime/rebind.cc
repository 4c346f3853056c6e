// Other values for a loaded graph's weights, all or none.
#include <ATen/ops/empty.h>

#include <utility>

#include "runtime/graph.h"
#include "runtime/interruption.h"
#include "runtime/tensor.h"
#include "runtime/weights.h"
#include "runtime/workspace.h"

namespace wuerstchen::runtime {
namespace {

// A weight that is to be another one.
struct Change {
  const WeightBinding& binding;
  Slot slot;
  WeightSource source;
  at::Tensor next;
  bool in_place;  // whether `next` is the memory of the value before
  // How it becomes what it was: that value, where it lies in a file, or else what it was made of.
  at::Tensor former;
  std::optional<WeightSource> undo;
};

bool IsMapped(const Workspace& workspace, const at::Tensor& weight) {
  return weight.is_cpu() && workspace.files.Cover(weight);
}

at::Tensor Allocate(const at::Tensor& like, at::ScalarType type, c10::Device home) {
  if (home.is_cpu()) return AllocatePrivate(like.sizes(), type);
  return at::empty(like.sizes(), at::TensorOptions(home).dtype(type));
}

// Where the next value of a weight will be: in the file, where the last one is if that is private
// memory that nobody has to keep, or in new memory, which is hardly taken before it is written.
void ChoosePlace(Change& change, const at::Tensor& now, c10::Device home) {
  const auto& source = change.source;
  const bool fits =
      now.device() == home && now.scalar_type() == source.type() && now.is_contiguous();
  const bool in_file = home.is_cpu() && source.is_stored();
  change.in_place = !in_file && fits && !change.former.defined();
  if (in_file) {
    change.next = source.stored();
  } else {
    change.next = change.in_place ? now : Allocate(now, source.type(), home);
  }
}

// Nothing where the files that a weight was made of are gone.
std::optional<WeightSource> FindFormer(Workspace& workspace, const TorchGraph& graph,
                                       const std::string& name, const at::Tensor& now) {
  try {
    return WeightSource(workspace.files, graph.bindings.at(name), now, graph.stored);
  } catch (...) {
    return std::nullopt;
  }
}

Change Plan(Workspace& workspace, const TorchGraph& graph, const WeightBinding& binding,
            const Slots& slots) {
  const auto found = slots.find(binding.name);
  if (found == slots.end() || found->second.Get().sizes() != binding.stored.shape) {
    throw Error(ErrorCode::kWeightsFailed,
                "Expected " + binding.name + " to be a parameter of its shape");
  }
  const auto now = found->second.Get();
  Change change{
      binding,     found->second, WeightSource(workspace.files, binding, now, graph.stored),
      {},          false,         IsMapped(workspace, now) ? now : at::Tensor(),
      std::nullopt};
  if (!change.former.defined() && !graph.lost.contains(binding.name)) {
    change.undo = FindFormer(workspace, graph, binding.name, now);
    if (!change.undo) change.former = now;
  }
  ChoosePlace(change, now, HomeOf(workspace, graph));
  return change;
}

void Write(const WeightSource& source, const at::Tensor& place) {
  if (!place.is_cpu()) {
    place.copy_(ReadWeight(source, at::kCPU));
    return;
  }
  source.Fill(place);
  source.LetGo();
}

// Private memory that was there before goes at once: no two values of more than one weight are
// held.
void Make(const Change& change) {
  if (!change.next.is_cpu() || !change.source.is_stored()) Write(change.source, change.next);
  change.slot.Set(change.next);
}

// False for a weight that was nothing whole before.
bool Undo(const Change& change) {
  if (change.former.defined()) {
    change.slot.Set(change.former);
    return true;
  }
  const auto now = change.slot.Get();
  if (!change.in_place && !now.is_same(change.next)) return true;  // not changed yet
  if (!change.undo) return false;
  const auto place = change.in_place ? now : Allocate(now, change.undo->type(), now.device());
  Write(*change.undo, place);
  change.slot.Set(place);
  return true;
}

std::vector<std::string> NamesOf(const std::vector<WeightBinding>& weights) {
  std::vector<std::string> names;
  for (const auto& binding : weights) names.push_back(binding.name);
  return names;
}

void TellExecutors(TorchGraph& graph, const std::vector<WeightBinding>& weights,
                   const Slots& slots) {
  graph.places.reset();  // of the weights before
  const auto names = NamesOf(weights);
  for (const auto& executor : graph.executors) executor->Rebound(names, slots);
}

// Sets the graph's bindings of these weights; returns those before.
std::vector<WeightBinding> Exchange(TorchGraph& graph, const std::vector<WeightBinding>& weights) {
  std::vector<WeightBinding> before;
  for (const auto& binding : weights)
    before.push_back(std::exchange(graph.bindings.at(binding.name), binding));
  return before;
}

// Every weight becomes what it was; of one that cannot, the graph keeps the name.
void UndoAll(const std::vector<Change>& changes, size_t begun, TorchGraph& graph) noexcept {
  for (size_t index = 0; index < begun; ++index) {
    const auto& change = changes[index];
    try {
      if (!Undo(change)) graph.lost.insert(change.binding.name);
    } catch (...) {
      graph.lost.insert(change.binding.name);
    }
  }
}

void BindOrUndo(Workspace& workspace, TorchGraph& torch_graph,
                const std::vector<WeightBinding>& weights) {
  const auto slots = CollectSlots(torch_graph.module);
  std::vector<Change> changes;
  changes.reserve(weights.size());
  for (const auto& binding : weights) {
    changes.push_back(Plan(workspace, torch_graph, binding, slots));
  }
  size_t begun = 0;
  std::vector<WeightBinding> before;
  try {
    for (const auto& change : changes) {
      StopIfHalting();
      ++begun;
      Make(change);
    }
    before = Exchange(torch_graph, weights);
    for (const auto& binding : weights) torch_graph.lost.erase(binding.name);
    TellExecutors(torch_graph, weights, slots);
  } catch (...) {
    if (!workspace.halting) {
      UndoAll(changes, begun, torch_graph);
      Exchange(torch_graph, before);
      TellExecutors(torch_graph, weights, slots);
    }
    throw;
  }
  changes.clear();
  CountMemory(workspace, torch_graph, slots);
  TrimAllocator();
}

}  // namespace

void Rebind(Workspace& workspace, Graph& graph, const std::vector<WeightBinding>& weights,
            bool or_refuse) {
  auto& torch_graph = Torch(graph);
  try {
    BindOrUndo(workspace, torch_graph, weights);
  } catch (...) {
    if (or_refuse) {
      for (const auto& binding : weights) torch_graph.lost.insert(binding.name);
    }
    throw;
  }
}

}  // namespace wuerstchen::runtime
