// A linear map of each row, be it a pixel, a token or a timestep. The graph's own would do, but
// libtorch chooses the order of its sums by the number of rows, and so by who shares the batch.
#include <ATen/ops/empty.h>

#include "runtime/blocks/block.h"
#include "runtime/blocks/checks.h"

namespace wuerstchen::runtime::blocks {
namespace {

class LinearBlock final : public Block {
 public:
  LinearBlock(Context& context, torch::jit::Module module, std::string path, Packing packing)
      : context_(context), module_(std::move(module)), path_(std::move(path)), packing_(packing) {}

  at::Tensor Run(const Inputs& inputs) override {
    if (!ready_) Prepare();
    CheckRows(context_, inputs.x, matrix_.depth());
    const auto x = inputs.x.contiguous();
    const int64_t images = x.dim() > 2 ? x.size(0) : 1;
    auto sizes = x.sizes().vec();
    sizes.back() = matrix_.columns();
    auto out = at::empty(sizes, x.options());
    Compute(
        context_.kernels,
        Product{
            .left = {{.rows = x.const_data_ptr(), .stride = matrix_.depth(), .right = &matrix_}},
            .images = images,
            .pixels = x.numel() / (images * matrix_.depth()),
            .out = out.mutable_data_ptr(),
            .out_stride = matrix_.columns(),
            .bias = bias_.defined() ? bias_.const_data_ptr<float>() : nullptr});
    return out;
  }

  void Prepare() override {
    const auto weight = Parameter(module_, "weight").flatten(1);
    matrix_ = context_.WorkshopOf(path_).Read("weight", weight, packing_);
    if (module_.attr("bias").isTensor()) bias_ = Wide(module_, "bias");
    ready_ = true;
  }

  void Forget() override {
    ready_ = false;
    matrix_ = Matrix();
  }

  std::vector<std::string> Packed() const override {
    if (packing_ == Packing::kNone) return {};
    return {"weight"};
  }
  int64_t packed_bytes() const override { return matrix_.packed_bytes(); }

 private:
  Context& context_;
  const torch::jit::Module module_;
  const std::string path_;
  const Packing packing_;
  bool ready_ = false;
  at::Tensor bias_;
  Matrix matrix_;
};

std::unique_ptr<Block> Make(Context& context, torch::jit::Module module, const std::string& path,
                            Packing packing) {
  if (!Matrix::Fits(context.kernels, Parameter(module, "weight").flatten(1))) return nullptr;
  return std::make_unique<LinearBlock>(context, std::move(module), path, packing);
}

}  // namespace

// Of a step: too few weights to gain by rounding them.
std::unique_ptr<Block> MakePointwiseBlock(Context& context, torch::jit::Module module,
                                          const std::string& path) {
  const bool packs = context.packing != Packing::kNone;
  return Make(context, std::move(module), path, packs ? Packing::kFull : Packing::kNone);
}

// Ahead of all steps: read once for each text or schedule, where it lies.
std::unique_ptr<Block> MakeLinearBlock(Context& context, torch::jit::Module module) {
  return Make(context, std::move(module), "", Packing::kNone);
}

}  // namespace wuerstchen::runtime::blocks
