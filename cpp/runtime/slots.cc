#include "runtime/slots.h"

#include <c10/util/ArrayRef.h>

#include "runtime/error.h"

namespace wuerstchen::runtime {
namespace {

void Collect(const c10::intrusive_ptr<c10::ivalue::Object>& module, const std::string& prefix,
             Slots& slots) {
  const auto type = module->type();
  for (size_t index = 0; index < type->numAttributes(); ++index) {
    const auto& value = module->getSlot(index);
    const auto name = prefix + type->getAttributeName(index);
    if (type->getAttribute(index)->is_module()) {
      Collect(value.toObject(), name + ".", slots);
    } else if (value.isTensor() && (type->is_parameter(index) || type->is_buffer(index))) {
      slots.emplace(name, Slot{module, index});
    }
  }
}

// "a, b, c and 12 more"
class NameList {
 public:
  void Add(const std::string& name) {
    constexpr size_t kShown = 5;
    if (count_++ < kShown) text_ += (text_.empty() ? "" : ", ") + name;
    extra_ = count_ > kShown ? count_ - kShown : 0;
  }
  bool empty() const { return count_ == 0; }
  std::string ToString() const {
    return extra_ == 0 ? text_ : text_ + " and " + std::to_string(extra_) + " more";
  }

 private:
  std::string text_;
  size_t count_ = 0;
  size_t extra_ = 0;
};

std::string Text(c10::IntArrayRef shape) {
  std::string text;
  for (const int64_t length : shape) text += (text.empty() ? "" : ", ") + std::to_string(length);
  return "(" + text + ")";
}

}  // namespace

Slots CollectSlots(const torch::jit::Module& module) {
  Slots slots;
  Collect(module._ivalue(), "", slots);
  return slots;
}

void CheckNames(const Slots& slots, const LoadRequest& request) {
  NameList extra, misshapen, missing;
  std::map<std::string, const WeightBinding*> given;
  for (const auto& binding : request.weights) {
    const auto slot = slots.find(binding.name);
    if (slot == slots.end() || !given.emplace(binding.name, &binding).second) {
      extra.Add(binding.name);
    } else if (const auto wanted = slot->second.Get().sizes(); wanted != binding.stored.shape) {
      misshapen.Add(binding.name + " " + Text(binding.stored.shape) + " instead of " +
                    Text(wanted));
    }
  }
  for (const auto& [name, slot] : slots) {
    if (!given.contains(name)) missing.Add(name);
  }
  std::string complaint;
  if (!missing.empty()) complaint += "; missing: " + missing.ToString();
  if (!extra.empty()) complaint += "; not of the graph: " + extra.ToString();
  if (!misshapen.empty()) complaint += "; of another shape: " + misshapen.ToString();
  if (complaint.empty()) return;
  throw Error(ErrorCode::kWeightsFailed,
              "Expected the weights to fit " + request.graph + complaint);
}

}  // namespace wuerstchen::runtime
