#include "runtime/blocks/upsampler.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "runtime/blocks/block.h"

namespace wuerstchen::runtime::blocks {
namespace {

constexpr int64_t kSide = 4;  // of the convolution's kernel; its stride is 2 and its padding 1

// Cells [first - 1, end + 1) of a row, with zeros beyond the border; all zeros for a row beyond it.
void CopyCells(const kernels::Kernels& kernels, const MapRows& map, int64_t y, int64_t first,
               int64_t end, void* to) {
  const int64_t count = end - first + 2, bytes = map.channels * kernels.number_bytes();
  std::memset(to, 0, count * bytes);
  if (y < 0 || y >= map.height) return;
  const int64_t from = std::max<int64_t>(first - 1, 0), last = std::min(end + 1, map.width);
  const int64_t row = y % map.held * map.width;
  std::memcpy(static_cast<char*>(to) + (from - first + 1) * bytes,
              kernels.At(map.cells, (row + from) * map.channels), (last - from) * bytes);
}

}  // namespace

bool Upsampler::Fits(const kernels::Kernels& kernels, const torch::jit::Module& module) {
  const auto weight = Parameter(module, "weight");  // (in, out, 4, 4)
  return weight.size(2) == kSide && weight.size(3) == kSide &&
         Matrix::Fits(kernels, weight.select(3, 0).select(2, 0).t());
}

// Too few weights to gain by rounding them to 8 bits.
Upsampler::Upsampler(const kernels::Kernels& kernels, const torch::jit::Module& module)
    : kernels_(&kernels), bias_(Wide(module, "bias")) {
  const auto weight = Wide(module, "weight");
  for (int64_t y = 0; y < kSide; ++y) {
    for (int64_t x = 0; x < kSide; ++x) {
      const auto tap = weight.select(3, x).select(2, y).t().contiguous();
      taps_[y][x] = Matrix(kernels, {tap}, Packing::kFull);
    }
  }
}

void Upsampler::Run(const MapRows& map, int64_t first, int64_t end, void* above,
                    void* below) const {
  const int64_t rows = end - first, width = map.channels, y = first / map.width;
  const int64_t copied = (rows + 2) * width;
  float* const product = Scratch(kernels_->product_scratch + 3 * copied);
  void* const cells = product + kernels_->product_scratch;
  for (int64_t row = 0; row < 3; ++row) {
    CopyCells(*kernels_, map, y + row - 1, first % map.width, first % map.width + rows,
              kernels_->At(cells, row * copied));
  }
  for (int64_t dy = 0; dy < 2; ++dy) {
    for (int64_t dx = 0; dx < 2; ++dx) {
      // An even place of the result reads the cell before and its own, with taps 3 and 1; an odd
      // one its own and the one behind, with taps 2 and 0.
      std::vector<kernels::Segment> segments;
      for (int64_t ny = dy; ny < dy + 2; ++ny) {
        for (int64_t nx = dx; nx < dx + 2; ++nx) {
          segments.push_back({.rows = kernels_->At(cells, ny * copied + nx * width),
                              .stride = width,
                              .depth = width,
                              .centre = nullptr,
                              .spread = nullptr,
                              .factor = nullptr,
                              .weight = taps_[3 + dy - 2 * ny][3 + dx - 2 * nx].weight()});
        }
      }
      kernels_->product({.segments = segments.data(),
                         .segment_count = static_cast<int>(segments.size()),
                         .rows = rows,
                         .strip_rows = rows,
                         .columns = channels(),
                         .end_panel = channels() / kernels_->panel,
                         .out = kernels_->At(dy == 0 ? above : below, dx * channels()),
                         .out_stride = 2 * channels(),
                         .bias = bias_.const_data_ptr<float>(),
                         .scratch = product});
    }
  }
}

int64_t Upsampler::packed_bytes() const {
  int64_t sum = 0;
  for (const auto& row : taps_) {
    for (const auto& tap : row) sum += tap.packed_bytes();
  }
  return sum;
}

}  // namespace wuerstchen::runtime::blocks
