#include "runtime/tensor.h"

#include <ATen/ops/add.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/mul.h>

#include <variant>

#include "runtime/workspace.h"

namespace wuerstchen::runtime {

at::Tensor FromHost(const HostTensor& tensor, c10::Device device) {
  return std::visit(
      [&](const auto& data) {
        using Element = typename std::decay_t<decltype(data)>::value_type;
        constexpr bool kInteger = std::is_integral_v<Element>;
        // `from_blob` asks for mutable memory; `to` with `copy` reads it only.
        auto* elements = const_cast<Element*>(data.data());
        return at::from_blob(elements, tensor.shape, kInteger ? at::kInt : at::kFloat)
            .to(device, kInteger ? at::kLong : at::kFloat, /*non_blocking=*/false, /*copy=*/true);
      },
      tensor.data);
}

TensorPtr Write(Workspace& workspace, const HostTensor& tensor) {
  return Wrap(FromHost(tensor, workspace.device));
}

HostArray<float> Read(Workspace&, const Tensor& tensor) {
  const auto host = Value(tensor).to(at::kCPU, at::kFloat).contiguous();
  auto data = std::shared_ptr<float>(host.mutable_data_ptr<float>(), [host](float*) {});
  return {host.sizes().vec(), std::move(data), host.numel()};
}

TensorPtr Affine(Workspace&, const Tensor& tensor, double scale, double shift) {
  return Wrap(Value(tensor).mul(scale).add_(shift));
}

TensorPtr DeclareRow(const Tensor& tensor) {
  Shape shape = tensor.shape;
  const int64_t rows = shape.at(0);
  shape[0] = 1;
  return std::make_shared<TorchTensor>(std::move(shape), tensor.bytes / rows);
}

void FillRow(Workspace&, Tensor& row, const Tensor& tensor, int64_t index) noexcept {
  try {
    Value(row) = Value(tensor).narrow(0, index, 1);
  } catch (...) {
    Value(row).reset();
  }
}

}  // namespace wuerstchen::runtime
