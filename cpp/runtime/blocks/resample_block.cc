// Stage B's ways between its levels: a norm, and a convolution of 2x2 cells with a stride of 2, or
// the transpose of one. No two cells overlap, so either is a product. libtorch's own would do, but
// for the order of its sums, which depends on the batch.
#include <ATen/ops/empty.h>

#include <cstring>
#include <vector>

#include "runtime/blocks/block.h"
#include "runtime/blocks/checks.h"
#include "runtime/blocks/depthwise.h"
#include "runtime/blocks/tasks.h"

namespace wuerstchen::runtime::blocks {
namespace {

constexpr char kWeight[] = "1.weight";
constexpr int64_t kSide = 2;  // of a cell
constexpr int64_t kTaps = kSide * kSide;
constexpr double kToCopy = 20;  // operations on a number

// The weights of each place in a cell, (out, in).
std::vector<at::Tensor> TapsOf(const at::Tensor& weight, bool transposed) {
  std::vector<at::Tensor> taps;
  for (int64_t tap = 0; tap < kTaps; ++tap) {
    const auto one = weight.select(3, tap % kSide).select(2, tap / kSide);
    taps.push_back((transposed ? one.t() : one).contiguous());
  }
  return taps;
}

class ResampleBlock : public Block {
 public:
  ResampleBlock(Context& context, torch::jit::Module module, std::string path)
      : context_(context), module_(std::move(module)), path_(std::move(path)) {}

  at::Tensor Run(const Inputs& inputs) override {
    if (matrices_.empty()) Prepare();
    auto out = Resample(context_.copies.Leave(inputs.x).contiguous());
    // They lie in no file as they are read here.
    if (context_.packing == Packing::kNone) Forget();
    return out;
  }

  void Forget() override { matrices_.clear(); }
  std::vector<std::string> Packed() const override { return {kWeight}; }

  int64_t packed_bytes() const override {
    int64_t bytes = 0;
    for (const auto& matrix : matrices_) bytes += matrix.packed_bytes();
    return bytes;
  }

 protected:
  virtual at::Tensor Resample(const at::Tensor& x) = 0;

  std::vector<at::Tensor> Taps(bool transposed) const {
    return TapsOf(Parameter(module_, kWeight), transposed);
  }
  Workshop OwnWorkshop() const { return context_.WorkshopOf(path_); }
  std::vector<int64_t> WeightSizes() const { return Parameter(module_, kWeight).sizes().vec(); }
  at::Tensor Bias() const { return Wide(module_, "1.bias"); }
  Statistics StatisticsOf(int64_t rows) {
    float* const statistics = context_.arena.Get(Arena::kStatistics, 2 * rows);
    return {statistics, statistics + rows};
  }

  Context& context_;
  std::vector<Matrix> matrices_;  // too few weights to gain by rounding them
  at::Tensor bias_;

 private:
  const torch::jit::Module module_;
  const std::string path_;
};

// A matrix for each place in a cell. The cells' first numbers are brought together, then the
// second, and so on: each place is a part of the product's left side.
class Downsampling final : public ResampleBlock {
 public:
  using ResampleBlock::ResampleBlock;

  void Prepare() override {
    const auto sizes = WeightSizes();  // (out, in, 2, 2)
    std::vector<at::Tensor> taps;      // only where something is made of them
    for (int64_t tap = 0; tap < kTaps; ++tap) {
      const auto weights = [&] {
        if (taps.empty()) taps = Taps(false);
        return std::vector{taps[tap]};
      };
      matrices_.push_back(OwnWorkshop().Pack("tap" + std::to_string(tap), sizes[0], sizes[1],
                                             Packing::kFull, weights));
    }
    bias_ = Bias();
  }

 private:
  at::Tensor Resample(const at::Tensor& x) override {
    const auto& kernels = context_.kernels;
    const int64_t channels = matrices_.front().depth(), columns = matrices_.front().columns();
    CheckMap(context_, x, channels);
    CheckCells(x, kSide);
    const int64_t height = x.size(1) / kSide, width = x.size(2) / kSide;
    const int64_t rows = x.size(0) * height * width;
    void* const places = context_.arena.Get(Arena::kHidden, kTaps * rows * channels, kernels);
    const auto norm = StatisticsOf(kTaps * rows);
    const int64_t bytes = channels * kernels.number_bytes();
    ForEachTask(x.size(0) * height, WorkOn(x.numel(), kToCopy), [&](int64_t line) {
      const int64_t image = line / height, y = line % height * kSide;
      for (int64_t tap = 0; tap < kTaps; ++tap) {
        const int64_t from = (image * x.size(1) + y + tap / kSide) * x.size(2) + tap % kSide;
        const int64_t row = tap * rows + line * width;
        auto* const to = static_cast<char*>(kernels.At(places, row * channels));
        for (int64_t cell = 0; cell < width; ++cell) {
          std::memcpy(to + cell * bytes,
                      kernels.At(x.const_data_ptr(), (from + cell * kSide) * channels), bytes);
        }
        Measure(kernels, to, width, channels, {norm.centre + row, norm.spread + row});
      }
    });
    std::vector<Left> left;
    for (int64_t tap = 0; tap < kTaps; ++tap) {
      left.push_back({.rows = kernels.At(places, tap * rows * channels),
                      .stride = channels,
                      .centre = norm.centre + tap * rows,
                      .spread = norm.spread + tap * rows,
                      .right = &matrices_[tap]});
    }
    auto out = at::empty({x.size(0), height, width, columns}, x.options());
    Compute(kernels, Product{.left = left,
                             .images = x.size(0),
                             .pixels = height * width,
                             .out = out.mutable_data_ptr(),
                             .out_stride = columns,
                             .bias = bias_.const_data_ptr<float>()});
    return out;
  }
};

// One matrix that makes all numbers of a cell side by side; then they go to their places.
class Upsampling final : public ResampleBlock {
 public:
  using ResampleBlock::ResampleBlock;

  void Prepare() override {
    const auto sizes = WeightSizes();  // (in, out, 2, 2)
    matrices_.push_back(OwnWorkshop().Pack("taps", kTaps * sizes[1], sizes[0], Packing::kFull,
                                           [&] { return Taps(true); }));
    bias_ = Bias().repeat({kTaps});
  }

 private:
  at::Tensor Resample(const at::Tensor& x) override {
    const auto& kernels = context_.kernels;
    const auto& matrix = matrices_.front();
    CheckMap(context_, x, matrix.depth());
    const int64_t height = x.size(1), width = x.size(2), channels = matrix.columns() / kTaps;
    const int64_t rows = x.size(0) * height * width;
    const auto norm = StatisticsOf(rows);
    Measure(kernels, x, norm);
    void* const cells = context_.arena.Get(Arena::kHidden, rows * matrix.columns(), kernels);
    Compute(kernels, Product{.left = {{.rows = x.const_data_ptr(),
                                       .stride = matrix.depth(),
                                       .centre = norm.centre,
                                       .spread = norm.spread,
                                       .right = &matrix}},
                             .images = x.size(0),
                             .pixels = height * width,
                             .out = cells,
                             .out_stride = matrix.columns(),
                             .bias = bias_.const_data_ptr<float>()});
    auto out = at::empty({x.size(0), height * kSide, width * kSide, channels}, x.options());
    // The numbers of a cell that go to one line lie together, and so they stay.
    const int64_t bytes = kSide * channels * kernels.number_bytes();
    ForEachTask(x.size(0) * height, WorkOn(out.numel(), kToCopy), [&](int64_t line) {
      for (int64_t cell = 0; cell < width; ++cell) {
        for (int64_t y = 0; y < kSide; ++y) {
          const int64_t to = ((line * kSide + y) * width + cell) * kSide;
          const int64_t from = (line * width + cell) * kTaps + y * kSide;
          std::memcpy(kernels.At(out.mutable_data_ptr(), to * channels),
                      kernels.At(cells, from * channels), bytes);
        }
      }
    });
    return out;
  }
};

}  // namespace

std::unique_ptr<Block> MakeResampleBlock(Context& context, torch::jit::Module module,
                                         const std::string& path) {
  const auto kind = module.attr("1").toModule().type()->name()->name();
  const auto weight = Parameter(module, kWeight);
  if (weight.size(2) != kSide || weight.size(3) != kSide) return nullptr;
  const bool transposed = kind == "Upsample";
  if (!Matrix::Fits(context.kernels, TapsOf(weight, transposed).front())) return nullptr;
  if (transposed) return std::make_unique<Upsampling>(context, std::move(module), path);
  return std::make_unique<Downsampling>(context, std::move(module), path);
}

}  // namespace wuerstchen::runtime::blocks
