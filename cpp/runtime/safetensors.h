// Writes safetensors files: what `WeightFiles` maps on the next start.
#ifndef CPP_RUNTIME_SAFETENSORS_H_
#define CPP_RUNTIME_SAFETENSORS_H_

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

namespace wuerstchen::runtime {

struct NamedTensor {
  std::string name;  // of letters, digits, dots and underscores
  at::Tensor tensor;
};

// A new file, whole and on the disk when this returns. Throws kWeightsFailed, for example when the
// disk is full; what was written stays, for the caller to remove.
void WriteSafetensors(const std::string& path, const std::vector<NamedTensor>& tensors);

}  // namespace wuerstchen::runtime

#endif  // CPP_RUNTIME_SAFETENSORS_H_
