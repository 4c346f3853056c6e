// What kernels packed of a graph's weights, in a file that processes share.
#include <ATen/ops/from_blob.h>

#include "runtime/acceleration.h"
#include "runtime/graph.h"
#include "runtime/paging.h"
#include "runtime/safetensors.h"
#include "runtime/workspace.h"

namespace wuerstchen::runtime {
namespace {

Acceleration& KernelsOf(TorchGraph& graph) {
  if (graph.kernels == nullptr)
    throw Error(ErrorCode::kInvalidArgument, "Expected a graph that runs on kernels");
  return *graph.kernels;
}

// Takes down what there would be.
class Listing final : public blocks::Store {
 public:
  blocks::Held Get(const std::string& name, int64_t bytes, const Make&) override {
    entries.push_back({name, at::kByte, {blocks::Kept::Padded(bytes)}});
    return {};
  }

  std::vector<StoredEntry> entries;
};

// Writes it down: no more than one is there at a time.
class Writing final : public blocks::Store {
 public:
  explicit Writing(SafetensorsFile& file) : file_(file) {}

  blocks::Held Get(const std::string&, int64_t bytes, const Make& make) override {
    const auto made = make();
    const std::string padding(blocks::Kept::Padded(bytes) - bytes, '\0');
    file_.Write(made.const_data_ptr(), bytes);
    file_.Write(padding.data(), padding.size());
    return {};
  }

 private:
  SafetensorsFile& file_;
};

// What was read to pack it is not read again.
void LetGoOfReplaced(const Workspace& workspace, const TorchGraph& graph, const Slots& slots) {
  for (const auto& name : ReplacedIn(graph)) {
    const auto weight = slots.at(name).Get();
    if (workspace.files.Cover(weight)) LetGoOfPages(weight);
  }
}

}  // namespace

void SavePacked(Workspace&, Graph& graph, const std::string& path) {
  auto& kernels = KernelsOf(Torch(graph));
  Listing listing;
  kernels.Pack(listing);
  SafetensorsFile file(path, listing.entries);
  Writing writing(file);
  kernels.Pack(writing);
  file.Finish();
}

void KeepPacked(Workspace& workspace, Graph& graph, const std::vector<PackedTensor>& packed) {
  auto& torch_graph = Torch(graph);
  auto& kernels = KernelsOf(torch_graph);
  std::map<std::string, at::Tensor> tensors;
  for (const auto& [name, file, offset, bytes] : packed) {
    tensors.emplace(name, workspace.files.Bytes(name, file, offset, bytes));
  }
  const auto is_as_before = [&graph = torch_graph,
                             before = torch_graph.bindings](const std::string& name) {
    return !graph.lost.contains(name) && graph.bindings.at(name) == before.at(name);
  };
  torch_graph.places.reset();
  kernels.Keep(std::make_unique<blocks::Kept>(std::move(tensors)), is_as_before);
  const auto slots = CollectSlots(torch_graph.module);
  LetGoOfReplaced(workspace, torch_graph, slots);
  CountMemory(workspace, torch_graph, slots);
  TrimAllocator();
}

}  // namespace wuerstchen::runtime
