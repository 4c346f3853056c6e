// Depthwise convolution, norm, and a channel mixer that also reads `skip`: three passes over the
// map, with the norms taken along by the products.
#include <ATen/ops/empty.h>
#include <ATen/ops/matmul.h>

#include "runtime/blocks/block.h"
#include "runtime/blocks/checks.h"
#include "runtime/blocks/depthwise.h"

namespace wuerstchen::runtime::blocks {
namespace {

constexpr char kExpand[] = "channelwise.0.weight";
constexpr char kReduce[] = "channelwise.4.weight";

// One thread does it while all others wait: several sums at a time.
double Sum(const float* numbers, int64_t count) {
  constexpr int kSums = 16;
  double sums[kSums] = {};
  for (int64_t i = 0; i < count; ++i) sums[i % kSums] += numbers[i];
  double sum = 0;
  for (const double one : sums) sum += one;
  return sum;
}

// Scale of each channel of each image: one more than gamma times its share of the energy (ConvNeXt
// V2's response norm).
void ResponseFactors(const float* energy, const float* gamma, int64_t images, int64_t channels,
                     float* factors) {
  for (int64_t image = 0; image < images; ++image) {
    const float mean = static_cast<float>(Sum(energy, channels) / static_cast<double>(channels));
    const float share = 1 / (mean + 1e-6f);
    for (int64_t i = 0; i < channels; ++i) factors[i] = 1 + gamma[i] * (energy[i] * share);
    energy += channels;
    factors += channels;
  }
}

class ResBlock final : public Block {
 public:
  ResBlock(Context& context, torch::jit::Module module, std::string path, FindMapper find_mapper)
      : context_(context),
        module_(std::move(module)),
        path_(std::move(path)),
        find_mapper_(std::move(find_mapper)) {}

  at::Tensor Run(const Inputs& inputs) override {
    if (!ready_) Prepare();
    const auto& kernels = context_.kernels;
    auto& arena = context_.arena;
    const auto x = context_.copies.Leave(inputs.x).contiguous();
    CheckMap(context_, x, depthwise_.bias.size(0));
    CheckSkip(context_, inputs.skip, x, skip_depth());
    const int64_t images = x.size(0), pixels = x.size(1) * x.size(2), channels = x.size(3);
    const int64_t rows = images * pixels, hidden_channels = expand_.columns();

    void* const convolved = arena.Get(Arena::kConvolved, rows * channels, kernels);
    float* const statistics = arena.Get(Arena::kStatistics, 2 * rows);
    const Statistics norm{statistics, statistics + rows};
    Compute(kernels, Depthwise{.x = x, .weights = depthwise_, .adds = false, .replicate = false},
            convolved, norm);

    void* const hidden = arena.Get(Arena::kHidden, rows * hidden_channels, kernels);
    float* const energy = arena.Get(Arena::kEnergy, images * hidden_channels);
    Product expand{.left = {{.rows = convolved,
                             .stride = channels,
                             .centre = norm.centre,
                             .spread = norm.spread,
                             .right = &expand_}},
                   .images = images,
                   .pixels = pixels,
                   .out = hidden,
                   .out_stride = hidden_channels,
                   .bias = expand_bias_.const_data_ptr<float>(),
                   .gelu = true,
                   .energy = energy};
    const auto skip = inputs.skip.contiguous();
    int64_t column = 0;
    for (const auto& part : skip_) {
      expand.left.push_back({.rows = kernels.At(skip.const_data_ptr(), column),
                             .stride = skip.size(3),
                             .right = &part});
      column += part.depth();
    }
    Compute(kernels, expand);

    float* const factors = arena.Get(Arena::kFactor, images * hidden_channels);
    ResponseFactors(energy, gamma_.const_data_ptr<float>(), images, hidden_channels, factors);
    auto out = at::empty(x.sizes(), x.options());
    Compute(kernels, Product{.left = {{.rows = hidden,
                                       .stride = hidden_channels,
                                       .factor = factors,
                                       .right = &reduce_}},
                             .images = images,
                             .pixels = pixels,
                             .out = out.mutable_data_ptr(),
                             .out_stride = channels,
                             .bias = reduce_bias_.const_data_ptr<float>(),
                             .residual = x.const_data_ptr()});
    return out;
  }

  void Prepare() override {
    depthwise_ = {context_.kernels, Wide(module_, "depthwise.weight"),
                  Wide(module_, "depthwise.bias")};
    PrepareExpand(depthwise_.bias.size(0));
    const auto workshop = context_.WorkshopOf(path_);
    const auto reduce = Parameter(module_, kReduce);
    reduce_ = workshop.Read("reduce", reduce, context_.packing);
    // The response norm's shift goes through the second linear once and for all.
    reduce_bias_ = workshop.Sums("reduce_bias", reduce.size(0), [&] {
      const auto shift = Wide(module_, "channelwise.2.beta").flatten().to(at::kDouble);
      const auto bias = Wide(module_, "channelwise.4.bias").to(at::kDouble);
      return (bias + at::matmul(reduce.to(at::kDouble), shift)).to(at::kFloat);
    });
    gamma_ = Wide(module_, "channelwise.2.gamma").flatten().contiguous();
    ready_ = true;
  }

  void Forget() override {
    ready_ = false;
    expand_ = reduce_ = Matrix();
    skip_.clear();
  }

  std::vector<std::string> Packed() const override { return {kExpand, kReduce}; }

  int64_t packed_bytes() const override {
    int64_t bytes = expand_.packed_bytes() + reduce_.packed_bytes();
    for (const auto& part : skip_) bytes += part.packed_bytes();
    return bytes;
  }

 private:
  int64_t skip_depth() const {
    int64_t depth = 0;
    for (const auto& part : skip_) depth += part.depth();
    return depth;
  }

  void PrepareExpand(int64_t channels) {
    const auto expand = Parameter(module_, kExpand);
    expand_ =
        context_.WorkshopOf(path_).Read("expand", expand.narrow(1, 0, channels), context_.packing);
    expand_bias_ = Wide(module_, "channelwise.0.bias");
    skip_.clear();
    if (expand.size(1) > channels)
      PrepareSkip(expand.narrow(1, channels, expand.size(1) - channels));
  }

  // The last columns read mapped image embeddings, W (M e + b). They become W M, which reads e
  // itself, and W b.
  void PrepareSkip(const at::Tensor& weight) {
    const auto mapper = find_mapper_();
    const int64_t mapped = mapper ? mapper->weight.size(0) : 0, joined = weight.size(1) - mapped;
    const auto workshop = context_.WorkshopOf(path_);
    if (joined > 0)
      skip_.push_back(workshop.Read("skip", weight.narrow(1, 0, joined), context_.packing));
    if (!mapper) return;
    at::Tensor wide;  // only where something is made of it
    const auto image = [&] {
      if (!wide.defined()) wide = weight.narrow(1, joined, mapped).to(at::kDouble);
      return wide;
    };
    const auto folded = [&] {
      return std::vector{at::matmul(image(), mapper->weight.to(at::kDouble)).to(at::kFloat)};
    };
    skip_.push_back(
        workshop.Pack("image", weight.size(0), mapper->weight.size(1), Packing::kFull, folded));
    expand_bias_ = workshop.Sums("expand_bias", weight.size(0), [&] {
      return expand_bias_ + at::matmul(image(), mapper->bias.to(at::kDouble)).to(at::kFloat);
    });
  }

  Context& context_;
  const torch::jit::Module module_;
  const std::string path_;
  const FindMapper find_mapper_;
  bool ready_ = false;
  DepthwiseWeights depthwise_;
  at::Tensor expand_bias_, reduce_bias_, gamma_;
  Matrix expand_, reduce_;
  std::vector<Matrix> skip_;  // for the joined level's features, and for the image embeddings
};

}  // namespace

std::unique_ptr<Block> MakeResBlock(Context& context, torch::jit::Module module,
                                    const std::string& path, FindMapper find_mapper) {
  const auto depthwise = Parameter(module, "depthwise.weight");
  if (depthwise.size(2) != 3 || depthwise.size(3) != 3) return nullptr;
  for (const auto* name : {kExpand, kReduce}) {
    if (!Matrix::Fits(context.kernels, Parameter(module, name))) return nullptr;
  }
  return std::make_unique<ResBlock>(context, std::move(module), path, std::move(find_mapper));
}

}  // namespace wuerstchen::runtime::blocks
