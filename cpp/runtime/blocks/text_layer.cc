// A layer of a text encoder. Its products are ours; norms and attention, which are small beside
// them, are libtorch's. A text is read once, so that its weights are read where they lie.
#include <ATen/ops/empty.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/scaled_dot_product_attention.h>

#include "runtime/blocks/block.h"
#include "runtime/blocks/checks.h"

namespace wuerstchen::runtime::blocks {
namespace {

// A linear map with its bias.
struct Linear {
  Matrix matrix;
  at::Tensor bias;

  static Linear Of(const kernels::Kernels& kernels, const torch::jit::Module& module,
                   const std::string& name) {
    return {Matrix(kernels, {Parameter(module, name + ".weight")}, Packing::kNone),
            Wide(module, name + ".bias")};
  }
};

// A norm's numbers in float32, whatever the text's are.
struct Norm {
  at::Tensor scale, shift;
  double epsilon = 0;

  static Norm Of(const torch::jit::Module& module, const std::string& name) {
    return {Wide(module, name + ".weight"), Wide(module, name + ".bias"),
            module.attr(name).toModule().attr("eps").toDouble()};
  }

  at::Tensor operator()(const at::Tensor& x) const {
    return at::layer_norm(x, {x.size(2)}, scale, shift, epsilon);
  }
};

// What is done with a product's rows: one of both, or neither.
struct Finish {
  at::Tensor residual = {};
  bool gelu = false;
};

class TextLayer final : public Block {
 public:
  TextLayer(Context& context, torch::jit::Module module)
      : context_(context),
        module_(std::move(module)),
        heads_(module_.attr("self_attn").toModule().attr("heads").toInt()) {}

  at::Tensor Run(const Inputs& inputs) override {
    if (!ready_) Prepare();
    CheckTokens(context_, inputs.x, out_.matrix.columns());
    CheckMask(inputs.mask, inputs.x);
    const auto x = inputs.x.contiguous();
    const auto attended = Map(Attend(before_attention_(x), inputs.mask), out_, {.residual = x});
    const auto hidden = Map(before_mlp_(attended), widen_, {.gelu = true});
    return Map(hidden, narrow_, {.residual = attended});
  }

  void Forget() override { ready_ = false; }
  int64_t packed_bytes() const override { return 0; }

 private:
  void Prepare() override {
    const auto& kernels = context_.kernels;
    for (int part = 0; part < 3; ++part)
      project_[part] = Linear::Of(kernels, module_, kProject[part]);
    out_ = Linear::Of(kernels, module_, "self_attn.out_proj");
    before_attention_ = Norm::Of(module_, "layer_norm1");
    before_mlp_ = Norm::Of(module_, "layer_norm2");
    widen_ = Linear::Of(kernels, module_, "mlp.fc1");
    narrow_ = Linear::Of(kernels, module_, "mlp.fc2");
    ready_ = true;
  }

  // (texts, tokens, channels) -> the same with the linear map's channels.
  at::Tensor Map(const at::Tensor& x, const Linear& linear, const Finish& finish = {}) const {
    auto out = at::empty({x.size(0), x.size(1), linear.matrix.columns()}, x.options());
    Compute(
        context_.kernels,
        Product{
            .left = {{.rows = x.const_data_ptr(), .stride = x.size(2), .right = &linear.matrix}},
            .images = x.size(0),
            .pixels = x.size(1),
            .out = out.mutable_data_ptr(),
            .out_stride = linear.matrix.columns(),
            .bias = linear.bias.const_data_ptr<float>(),
            .residual = finish.residual.defined() ? finish.residual.const_data_ptr() : nullptr,
            .gelu = finish.gelu});
    return out;
  }

  at::Tensor Attend(const at::Tensor& x, const at::Tensor& mask) const {
    const auto heads = [&](int part) {
      return Map(x, project_[part]).unflatten(2, {heads_, -1}).transpose(1, 2);
    };
    const auto attended =
        at::scaled_dot_product_attention(heads(0), heads(1), heads(2), mask, 0, false);
    return attended.transpose(1, 2).flatten(2).contiguous();
  }

  static constexpr const char* kProject[] = {"self_attn.q_proj", "self_attn.k_proj",
                                             "self_attn.v_proj"};

  Context& context_;
  const torch::jit::Module module_;
  const int64_t heads_;
  bool ready_ = false;
  Norm before_attention_, before_mlp_;
  Linear project_[3];  // queries, keys and values
  Linear out_, widen_, narrow_;
};

}  // namespace

std::unique_ptr<Block> MakeTextLayer(Context& context, torch::jit::Module module) {
  if (module.attr("mlp").toModule().attr("quick").toBool()) return nullptr;
  for (const auto* name : {"self_attn.out_proj.weight", "mlp.fc1.weight", "mlp.fc2.weight"}) {
    if (!Matrix::Fits(context.kernels, Parameter(module, name))) return nullptr;
  }
  return std::make_unique<TextLayer>(context, std::move(module));
}

}  // namespace wuerstchen::runtime::blocks
