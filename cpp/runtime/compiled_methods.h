// The methods of a graph that are there in machine code. Belongs to the device's thread.
#ifndef CPP_RUNTIME_COMPILED_METHODS_H_
#define CPP_RUNTIME_COMPILED_METHODS_H_

#include <map>
#include <string>
#include <vector>

#include "runtime/compiled.h"
#include "runtime/executor.h"
#include "runtime/runtime.h"

namespace wuerstchen::runtime {

class CompiledMethods final : public Executor {
 public:
  // Loads a method and binds it to the graph's weights. Throws where that cannot be.
  void Load(const CompiledMethod& wanted, c10::Device device, const Slots& slots);
  bool empty() const { return methods_.empty(); }

  std::optional<Results> Run(const MethodCall& call) override;
  void Rebound(const std::vector<std::string>& names, const Slots& slots) override;

 private:
  std::map<std::string, Compiled> methods_;
};

}  // namespace wuerstchen::runtime

#endif  // CPP_RUNTIME_COMPILED_METHODS_H_
