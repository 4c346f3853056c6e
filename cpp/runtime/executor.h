// The ways to run a graph's methods: on kernels of our own, recorded, compiled, or as they are
// written. A graph asks them one after the other. Belongs to the device's thread.
#ifndef CPP_RUNTIME_EXECUTOR_H_
#define CPP_RUNTIME_EXECUTOR_H_

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>
#include <torch/csrc/jit/api/module.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/slots.h"

namespace wuerstchen::runtime {

// The method that is run again and again.
constexpr char kStep[] = "step";
// Stage A's latents -> bytes of a picture, (H, W, 3): a method that no graph has, but who `Paints`.
constexpr char kPaint[] = "paint";

struct MethodCall {
  const std::string& method;
  const std::vector<c10::IValue>& inputs;  // without the module
  // The row that each row of the batch equals in everything but its condition, the first `distinct`
  // ones themselves; empty where all differ.
  const std::vector<int64_t>& sources;
  bool walks;  // whether weights come and go meanwhile (`Walk`)
};

class Executor {
 public:
  using Results = std::vector<at::Tensor>;

  virtual ~Executor() = default;
  // Nothing where this one does not run the method.
  virtual std::optional<Results> Run(const MethodCall& call) = 0;
  // Weights of these names have other values; `slots` are all of the graph's.
  virtual void Rebound(const std::vector<std::string>& names, const Slots& slots) = 0;
  // Whether it has `kPaint`.
  virtual bool Paints() const { return false; }
  // Private memory that it keeps between calls.
  virtual int64_t bytes() const { return 0; }
  // Gives back what it can make again.
  virtual void Rest() {}
};

// A method as TorchScript runs it: it can run all.
class Interpreter final : public Executor {
 public:
  explicit Interpreter(torch::jit::Module module) : module_(std::move(module)) {}
  std::optional<Results> Run(const MethodCall& call) override;
  void Rebound(const std::vector<std::string>&, const Slots&) override {}

 private:
  const torch::jit::Module module_;
};

// Throws kGraphFailed for a method that the module does not have.
torch::jit::Method FindMethod(const torch::jit::Module& module, const std::string& name);

// A tensor, a tuple and a list of tensors all come as a list.
std::vector<at::Tensor> Flatten(const c10::IValue& result, const std::string& method);

}  // namespace wuerstchen::runtime

#endif  // CPP_RUNTIME_EXECUTOR_H_
