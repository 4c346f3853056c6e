// A method of a graph in machine code, as AOTInductor packages it: without weights, which are bound
// where they lie. Belongs to the device's thread.
#ifndef CPP_RUNTIME_COMPILED_H_
#define CPP_RUNTIME_COMPILED_H_

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace torch::inductor {
class AOTIModelPackageLoader;
}

namespace wuerstchen::runtime {

class Compiled {
 public:
  using FindWeight = std::function<at::Tensor(const std::string& name)>;

  // Throws if the file is no package, or one for another machine.
  Compiled(const std::string& file, at::Device device);
  ~Compiled();
  Compiled(Compiled&&) noexcept;

  // Its weights from now on; nothing is copied, and the package keeps them alive.
  void Bind(const FindWeight& weight);
  // `inputs` as the graph's method takes them, without its module.
  at::Tensor Run(const std::vector<c10::IValue>& inputs) const;

 private:
  std::unique_ptr<torch::inductor::AOTIModelPackageLoader> package_;
  // By the names of the package, which holds the addresses of these very tensors.
  std::unordered_map<std::string, at::Tensor> weights_;
};

}  // namespace wuerstchen::runtime

#endif  // CPP_RUNTIME_COMPILED_H_
