// Where a TorchScript module keeps its weights.
#ifndef CPP_RUNTIME_SLOTS_H_
#define CPP_RUNTIME_SLOTS_H_

#include <torch/csrc/jit/api/module.h>

#include <map>
#include <string>
#include <utility>

#include "runtime/runtime.h"

namespace wuerstchen::runtime {

// Where a module keeps a parameter or a buffer. Replacing what is there is all that binding does.
struct Slot {
  c10::intrusive_ptr<c10::ivalue::Object> owner;
  size_t index;

  at::Tensor Get() const { return owner->getSlot(index).toTensor(); }
  void Set(at::Tensor tensor) const { owner->setSlot(index, std::move(tensor)); }
};
using Slots = std::map<std::string, Slot>;

// Those of a module, by the names of its weights.
Slots CollectSlots(const torch::jit::Module& module);

// Every slot gets exactly one weight of its shape; throws kWeightsFailed with the names otherwise.
void CheckNames(const Slots& slots, const LoadRequest& request);

}  // namespace wuerstchen::runtime

#endif  // CPP_RUNTIME_SLOTS_H_
