// What is done to each pixel of a map: depthwise convolution, statistics for layer norms,
// modulation.
#ifndef CPP_RUNTIME_KERNELS_MAPS_H_
#define CPP_RUNTIME_KERNELS_MAPS_H_

#include "runtime/kernels/kernels.h"
#include "runtime/kernels/vector.h"

namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE {

// In two passes, as exact as the numbers are: a row is in the first cache by then.
KERNEL_INLINE void RowStatistics(const float* row, int64_t channels, float epsilon, float* centre,
                                 float* spread) {
  const int64_t whole = channels / kLanes * kLanes;
  Vec sums{};
  for (int64_t i = 0; i < whole; i += kLanes) sums += Load(row + i);
  float sum = Sum(sums);
  for (int64_t i = whole; i < channels; ++i) sum += row[i];
  const float mean = sum / static_cast<float>(channels);
  Vec squares{};
  for (int64_t i = 0; i < whole; i += kLanes) {
    const Vec offset = Load(row + i) - mean;
    squares += offset * offset;
  }
  float square = Sum(squares);
  for (int64_t i = whole; i < channels; ++i) square += (row[i] - mean) * (row[i] - mean);
  *centre = mean;
  *spread = 1 / __builtin_sqrtf(square / static_cast<float>(channels) + epsilon);
}

void Statistics(const float* rows, int64_t count, int64_t channels, float epsilon, float* centre,
                float* spread) {
  for (int64_t row = 0; row < count; ++row) {
    RowStatistics(rows + row * channels, channels, epsilon, centre + row, spread + row);
  }
}

void Modulate(const float* rows, int64_t count, int64_t channels, const float* scale,
              const float* shift, float* out) {
  for (int64_t row = 0; row < count; ++row) {
    for (int64_t i = 0; i < channels; ++i) out[i] = (rows[i] + shift[i]) + rows[i] * scale[i];
    rows += channels;
    out += channels;
  }
}

// The neighbours of one pixel that are there, with the taps that meet them.
struct Neighbours {
  const float* pixels[9];
  const float* taps[9];
  float centre[9];
  float spread[9];
  int count = 0;
};

KERNEL_INLINE int64_t Clamp(int64_t value, int64_t end) {
  return value < 0 ? 0 : value >= end ? end - 1 : value;
}

KERNEL_INLINE void FindNeighbours(const DepthwiseBlock& block, int64_t y, int64_t x,
                                  Neighbours& found) {
  found.count = 0;
  for (int64_t tap = 0; tap < 9; ++tap) {
    const int64_t wanted_y = y + tap / 3 - 1, wanted_x = x + tap % 3 - 1;
    const int64_t ny = Clamp(wanted_y, block.height), nx = Clamp(wanted_x, block.width);
    if (!block.replicate && (ny != wanted_y || nx != wanted_x)) continue;
    const int64_t pixel = ny * block.width + nx;
    const int place = found.count++;
    found.pixels[place] = block.in + pixel * block.channels;
    found.taps[place] = block.taps + tap * block.channels;
    found.centre[place] = block.centre == nullptr ? 0 : block.centre[pixel];
    found.spread[place] = block.centre == nullptr ? 1 : block.spread[pixel];
  }
}

// Channels [start, start + kLanes), or one if `Number` is a float.
template <typename Number, bool kNormed>
KERNEL_INLINE Number Convolve(const Neighbours& found, int64_t channel, Number sum) {
  for (int place = 0; place < found.count; ++place) {
    Number value, tap;
    std::memcpy(&value, found.pixels[place] + channel, sizeof value);
    std::memcpy(&tap, found.taps[place] + channel, sizeof tap);
    if constexpr (kNormed) value = (value - found.centre[place]) * found.spread[place];
    sum += value * tap;
  }
  return sum;
}

template <typename Number, bool kNormed>
KERNEL_INLINE void ConvolveAt(const DepthwiseBlock& block, const Neighbours& found, int64_t channel,
                              const float* residual, float* out) {
  Number sum;
  std::memcpy(&sum, block.bias + channel, sizeof sum);
  sum = Convolve<Number, kNormed>(found, channel, sum);
  if (residual != nullptr) {
    Number before;
    std::memcpy(&before, residual + channel, sizeof before);
    sum += before;
  }
  std::memcpy(out + channel, &sum, sizeof sum);
}

template <bool kNormed>
void ConvolveRows(const DepthwiseBlock& block) {
  Neighbours found;
  const int64_t whole = block.channels / kLanes * kLanes;
  for (int64_t y = block.first_row; y < block.end_row; ++y) {
    for (int64_t x = 0; x < block.width; ++x) {
      const int64_t pixel = y * block.width + x;
      const int64_t place = pixel * block.channels;
      const float* const residual = block.residual == nullptr ? nullptr : block.residual + place;
      float* const out = block.out + place;
      FindNeighbours(block, y, x, found);
      for (int64_t i = 0; i < whole; i += kLanes)
        ConvolveAt<Vec, kNormed>(block, found, i, residual, out);
      for (int64_t i = whole; i < block.channels; ++i) {
        ConvolveAt<float, kNormed>(block, found, i, residual, out);
      }
      RowStatistics(out, block.channels, block.epsilon, block.out_centre + pixel,
                    block.out_spread + pixel);
    }
  }
}

void Depthwise(const DepthwiseBlock& block) {
  (block.centre == nullptr ? ConvolveRows<false> : ConvolveRows<true>)(block);
}

}  // namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE

#endif  // CPP_RUNTIME_KERNELS_MAPS_H_
