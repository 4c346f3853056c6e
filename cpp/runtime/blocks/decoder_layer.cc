#include "runtime/blocks/decoder_layer.h"

#include <ATen/ops/constant_pad_nd.h>
#include <c10/util/BFloat16.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "runtime/blocks/block.h"
#include "runtime/blocks/mixer.h"
#include "runtime/blocks/upsampler.h"

namespace wuerstchen::runtime::blocks {
namespace {

constexpr int64_t kColours = 3;

void MeasureKept(const kernels::Kernels& kernels, const RowsKept& rows, int64_t first,
                 int64_t count) {
  if (rows.norm.centre == nullptr) return;
  const int64_t place = rows.Place(first);
  Measure(kernels, kernels.At(rows.cells, place * rows.channels), count, rows.channels,
          {rows.norm.centre + place, rows.norm.spread + place});
}

// One product of some rows that lie one behind the other, on this thread.
void Multiply(const kernels::Kernels& kernels, const void* rows, int64_t count,
              const Matrix& matrix, const at::Tensor& bias, void* out, float* scratch) {
  const kernels::Segment segment{.rows = rows,
                                 .stride = matrix.depth(),
                                 .depth = matrix.depth(),
                                 .centre = nullptr,
                                 .spread = nullptr,
                                 .factor = nullptr,
                                 .weight = matrix.weight()};
  kernels.product({.segments = &segment,
                   .segment_count = 1,
                   .rows = count,
                   .strip_rows = count,
                   .columns = matrix.columns(),
                   .end_panel = matrix.columns() / kernels.panel,
                   .out = out,
                   .out_stride = matrix.columns(),
                   .bias = bias.const_data_ptr<float>(),
                   .scratch = scratch});
}

class Entry final : public DecoderLayer {
 public:
  Entry(const kernels::Kernels& kernels, const torch::jit::Module& module)
      : kernels_(kernels),
        matrix_(kernels, {Wide(module, "weight").flatten(1)}, Packing::kFull),
        bias_(Wide(module, "bias")) {}

  void Run(const MapRows& in, int64_t first, int64_t end, const RowsKept& out,
           const Canvas&) const override {
    Multiply(kernels_, kernels_.At(in.cells, first * in.channels), end - first, matrix_, bias_,
             kernels_.At(out.cells, out.Place(first) * out.channels),
             Scratch(kernels_.product_scratch));
    MeasureKept(kernels_, out, first, end - first);
  }
  int64_t channels_in() const override { return matrix_.depth(); }
  double work() const override { return 2.0 * matrix_.depth() * matrix_.columns(); }
  int64_t packed_bytes() const override { return matrix_.packed_bytes(); }

 private:
  const kernels::Kernels& kernels_;
  const Matrix matrix_;
  const at::Tensor bias_;
};

class Mixing final : public DecoderLayer {
 public:
  Mixing(const kernels::Kernels& kernels, const torch::jit::Module& module, Packing packing)
      : kernels_(kernels), mixer_(kernels, module, packing) {}

  void Run(const MapRows& in, int64_t first, int64_t end, const RowsKept& out,
           const Canvas&) const override {
    mixer_.Mix(in, first, end, kernels_.At(out.cells, out.Place(first) * out.channels));
    MeasureKept(kernels_, out, first, end - first);
  }
  int64_t channels_in() const override { return mixer_.channels(); }
  double work() const override { return 16.0 * channels_in() * channels_in(); }
  bool norms() const override { return true; }
  int64_t packed_bytes() const override { return mixer_.packed_bytes(); }

 private:
  const kernels::Kernels& kernels_;
  const Mixer mixer_;
};

class Upsampling final : public DecoderLayer {
 public:
  Upsampling(const kernels::Kernels& kernels, const torch::jit::Module& module)
      : kernels_(kernels),
        upsampler_(kernels, module),
        channels_in_(Parameter(module, "weight").size(0)) {}

  void Run(const MapRows& in, int64_t first, int64_t end, const RowsKept& out,
           const Canvas&) const override {
    while (first < end) {
      const int64_t y = first / in.width, x = first % in.width;
      const int64_t last = std::min(end, (y + 1) * in.width), count = 2 * (last - first);
      const int64_t above = 2 * y * out.width + 2 * x, below = above + out.width;
      upsampler_.Run(in, first, last, At(out, above), At(out, below));
      MeasureKept(kernels_, out, above, count);
      MeasureKept(kernels_, out, below, count);
      first = last;
    }
  }
  int64_t channels_in() const override { return channels_in_; }
  double work() const override { return 32.0 * channels_in_ * upsampler_.channels(); }
  int64_t scale() const override { return 2; }
  int64_t packed_bytes() const override { return upsampler_.packed_bytes(); }

 private:
  void* At(const RowsKept& out, int64_t cell) const {
    return kernels_.At(out.cells, out.Place(cell) * out.channels);
  }

  const kernels::Kernels& kernels_;
  const Upsampler upsampler_;
  const int64_t channels_in_;
};

// The cells of the last map become squares of pixels.
class Exit final : public DecoderLayer {
 public:
  Exit(const kernels::Kernels& kernels, const torch::jit::Module& module, int64_t patch)
      : kernels_(kernels), patch_(patch) {
    const auto weight = Wide(module, "weight").flatten(1);
    // Whole panels: the columns beyond are zero, and nobody reads them.
    const int64_t more = (kernels.panel - weight.size(0) % kernels.panel) % kernels.panel;
    matrix_ = {kernels, {at::constant_pad_nd(weight, {0, 0, 0, more})}, Packing::kFull};
    bias_ = at::constant_pad_nd(Wide(module, "bias"), {0, more});
  }

  void Run(const MapRows& in, int64_t first, int64_t end, const RowsKept&,
           const Canvas& canvas) const override {
    const int64_t count = end - first;
    float* const scratch = Scratch(kernels_.product_scratch + count * matrix_.columns());
    void* const values = scratch + kernels_.product_scratch;
    const int64_t place = first % (in.held * in.width);
    Multiply(kernels_, kernels_.At(in.cells, place * in.channels), count, matrix_, bias_, values,
             scratch);
    if (kernels_.number == kernels::Number::kFloat32) {
      Put(static_cast<const float*>(values), in.width, first, end, canvas);
    } else {
      Put(static_cast<const c10::BFloat16*>(values), in.width, first, end, canvas);
    }
  }
  int64_t channels_in() const override { return matrix_.depth(); }
  double work() const override { return 2.0 * matrix_.depth() * matrix_.columns(); }
  int64_t packed_bytes() const override { return matrix_.packed_bytes(); }

 private:
  template <typename Number>
  void Put(const Number* values, int64_t width, int64_t first, int64_t end,
           const Canvas& canvas) const {
    for (int64_t cell = first; cell < end; ++cell, values += matrix_.columns()) {
      const int64_t y = cell / width * patch_, x = cell % width * patch_;
      for (int64_t index = 0; index < kColours * patch_ * patch_; ++index) {
        const int64_t colour = index / (patch_ * patch_), part = index % (patch_ * patch_);
        const int64_t pixel = (y + part / patch_) * canvas.width + x + part % patch_;
        const float value = values[index];
        const float shown = value < 0 ? 0 : value > 1 ? 1 : value;  // NaN stays NaN
        if (canvas.planes != nullptr) {
          static_cast<Number*>(canvas.planes)[colour * canvas.height * canvas.width + pixel] =
              shown;
        } else {
          // As diffusers: `(image * 255).round()` in float32, and round is half to even.
          canvas.bytes[pixel * kColours + colour] =
              shown == shown ? static_cast<uint8_t>(std::nearbyint(shown * 255)) : 0;
        }
      }
    }
  }

  const kernels::Kernels& kernels_;
  const int64_t patch_;
  Matrix matrix_;
  at::Tensor bias_;
};

}  // namespace

std::unique_ptr<DecoderLayer> MakeEntry(const kernels::Kernels& kernels,
                                        const torch::jit::Module& pointwise) {
  return std::make_unique<Entry>(kernels, pointwise);
}

std::unique_ptr<DecoderLayer> MakeMiddle(const kernels::Kernels& kernels,
                                         const torch::jit::Module& module, Packing packing) {
  const auto kind = module.type()->name()->name();
  if (kind == "MixingBlock") return std::make_unique<Mixing>(kernels, module, packing);
  if (kind == "Upsample") return std::make_unique<Upsampling>(kernels, module);
  return nullptr;
}

std::unique_ptr<DecoderLayer> MakeExit(const kernels::Kernels& kernels,
                                       const torch::jit::Module& pointwise, int64_t patch) {
  return std::make_unique<Exit>(kernels, pointwise, patch);
}

}  // namespace wuerstchen::runtime::blocks
