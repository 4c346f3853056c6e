// libtorch's side of `Tensor`. Values are read and replaced on the device's thread only.
#ifndef CPP_RUNTIME_TENSOR_H_
#define CPP_RUNTIME_TENSOR_H_

#include <ATen/core/Tensor.h>

#include <memory>
#include <utility>

#include "runtime/runtime.h"

namespace wuerstchen::runtime {

inline at::ScalarType ScalarTypeOf(Dtype dtype) {
  if (dtype == Dtype::kFloat16) return at::kHalf;
  return dtype == Dtype::kBFloat16 ? at::kBFloat16 : at::kFloat;
}

struct TorchTensor final : Tensor {
  TorchTensor(Shape shape, int64_t bytes) : Tensor(std::move(shape), bytes) {}
  explicit TorchTensor(at::Tensor tensor)
      : Tensor(tensor.sizes().vec(), static_cast<int64_t>(tensor.nbytes())),
        value(std::move(tensor)) {}
  at::Tensor value;
};

inline TensorPtr Wrap(at::Tensor tensor) {
  return std::make_shared<TorchTensor>(std::move(tensor));
}
inline at::Tensor& Value(Tensor& tensor) {
  return static_cast<TorchTensor&>(tensor).value;
}
inline const at::Tensor& Value(const Tensor& tensor) {
  return static_cast<const TorchTensor&>(tensor).value;
}

// A copy on the device.
at::Tensor FromHost(const HostTensor& tensor, c10::Device device);

}  // namespace wuerstchen::runtime

#endif  // CPP_RUNTIME_TENSOR_H_
