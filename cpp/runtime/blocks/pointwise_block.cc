// A linear map of each pixel. The graph's own would do, but libtorch chooses the order of its sums
// by the size of the batch, and what is rounded to 8 bits afterwards makes much of the last bit.
#include <ATen/ops/empty.h>

#include "runtime/blocks/block.h"
#include "runtime/blocks/checks.h"

namespace wuerstchen::runtime::blocks {
namespace {

class PointwiseBlock final : public Block {
 public:
  PointwiseBlock(Context& context, torch::jit::Module module)
      : context_(context), module_(std::move(module)) {}

  at::Tensor Run(const Inputs& inputs) override {
    if (!ready_) Prepare();
    CheckMap(context_, inputs.x, matrix_.depth());
    const auto x = inputs.x.contiguous();
    auto out = at::empty({x.size(0), x.size(1), x.size(2), matrix_.columns()}, x.options());
    Compute(context_.kernels,
            Product{.left = {{.rows = x.const_data_ptr(), .stride = x.size(3), .right = &matrix_}},
                    .images = x.size(0),
                    .pixels = x.size(1) * x.size(2),
                    .out = out.mutable_data_ptr(),
                    .out_stride = matrix_.columns(),
                    .bias = bias_.defined() ? bias_.const_data_ptr<float>() : nullptr});
    return out;
  }

  void Forget() override {
    ready_ = false;
    matrix_ = Matrix();
  }
  int64_t packed_bytes() const override { return matrix_.packed_bytes(); }

 private:
  void Prepare() {
    // Too few weights to gain by rounding them.
    const auto packing = context_.packing == Packing::kNone ? Packing::kNone : Packing::kFull;
    matrix_ = Matrix(context_.kernels, {Parameter(module_, "weight").flatten(1)}, packing);
    if (module_.attr("bias").isTensor()) bias_ = Wide(module_, "bias");
    ready_ = true;
  }

  Context& context_;
  const torch::jit::Module module_;
  bool ready_ = false;
  at::Tensor bias_;
  Matrix matrix_;
};

}  // namespace

std::unique_ptr<Block> MakePointwiseBlock(Context& context, torch::jit::Module module) {
  if (!Matrix::Fits(context.kernels, Parameter(module, "weight").flatten(1))) return nullptr;
  return std::make_unique<PointwiseBlock>(context, std::move(module));
}

}  // namespace wuerstchen::runtime::blocks
