#include "runtime/compiled_methods.h"

#include <utility>

#include "runtime/error.h"

namespace wuerstchen::runtime {
namespace {

// To the weights that the graph holds now.
void Bind(Compiled& compiled, const Slots& slots) {
  compiled.Bind([&slots](const std::string& name) {
    const auto slot = slots.find(name);
    if (slot != slots.end()) return slot->second.Get();
    throw Error(ErrorCode::kGraphFailed, "Expected the graph to have a weight " + name);
  });
}

}  // namespace

void CompiledMethods::Load(const CompiledMethod& wanted, c10::Device device, const Slots& slots) {
  Compiled compiled(wanted.file, device);
  Bind(compiled, slots);
  methods_.emplace(wanted.method, std::move(compiled));
}

std::optional<Executor::Results> CompiledMethods::Run(const MethodCall& call) {
  const auto found = methods_.find(call.method);
  if (found == methods_.end()) return std::nullopt;
  return Results{found->second.Run(call.inputs)};
}

void CompiledMethods::Rebound(const std::vector<std::string>&, const Slots& slots) {
  for (auto& [method, compiled] : methods_) Bind(compiled, slots);
}

}  // namespace wuerstchen::runtime
