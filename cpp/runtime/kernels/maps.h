// What is done to each pixel of a map: depthwise convolution, statistics for layer norms,
// modulation.
#ifndef CPP_RUNTIME_KERNELS_MAPS_H_
#define CPP_RUNTIME_KERNELS_MAPS_H_

#include "runtime/kernels/kernels.h"
#include "runtime/kernels/numbers.h"

namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE {

// In two passes, as exact as the numbers are: a row is in the first cache by then.
template <typename Number>
KERNEL_INLINE void RowStatistics(const Number* row, int64_t channels, float epsilon, float* centre,
                                 float* spread) {
  const int64_t whole = channels / kLanes * kLanes;
  Vec sums{};
  for (int64_t i = 0; i < whole; i += kLanes) sums += Load(row + i);
  float sum = Sum(sums);
  for (int64_t i = whole; i < channels; ++i) sum += Widen(row[i]);
  const float mean = sum / static_cast<float>(channels);
  Vec squares{};
  for (int64_t i = 0; i < whole; i += kLanes) {
    const Vec offset = Load(row + i) - mean;
    squares += offset * offset;
  }
  float square = Sum(squares);
  for (int64_t i = whole; i < channels; ++i) {
    const float offset = Widen(row[i]) - mean;
    square += offset * offset;
  }
  *centre = mean;
  *spread = 1 / __builtin_sqrtf(square / static_cast<float>(channels) + epsilon);
}

template <typename Number>
void Statistics(const void* rows, int64_t count, int64_t channels, float epsilon, float* centre,
                float* spread) {
  const auto* row = static_cast<const Number*>(rows);
  for (int64_t index = 0; index < count; ++index) {
    RowStatistics(row, channels, epsilon, centre + index, spread + index);
    row += channels;
  }
}

template <typename Number>
void Modulate(const void* rows, int64_t count, int64_t channels, const void* scale,
              const void* shift, void* out) {
  const auto* row = static_cast<const Number*>(rows);
  const auto* const scales = static_cast<const Number*>(scale);
  const auto* const shifts = static_cast<const Number*>(shift);
  auto* to = static_cast<Number*>(out);
  const int64_t whole = channels / kLanes * kLanes;
  for (int64_t index = 0; index < count; ++index) {
    for (int64_t i = 0; i < whole; i += kLanes) {
      const Vec value = Load(row + i);
      Store(to + i, (value + Load(shifts + i)) + value * Load(scales + i));
    }
    for (int64_t i = whole; i < channels; ++i) {
      const float value = Widen(row[i]);
      Store(to + i, (value + Widen(shifts[i])) + value * Widen(scales[i]));
    }
    row += channels;
    to += channels;
  }
}

// The neighbours of one pixel that are there, with the taps that meet them.
template <typename Number>
struct Neighbours {
  const Number* pixels[9];
  const float* taps[9];
  float centre[9];
  float spread[9];
  float shift[9];  // what is added after the spread, in place of the centre before it
  int count = 0;
};

KERNEL_INLINE int64_t Clamp(int64_t value, int64_t end) {
  return value < 0 ? 0 : value >= end ? end - 1 : value;
}

template <typename Number>
KERNEL_INLINE void FindNeighbours(const DepthwiseArgs& args, int64_t y, int64_t x,
                                  Neighbours<Number>& found) {
  found.count = 0;
  for (int64_t tap = 0; tap < 9; ++tap) {
    const int64_t wanted_y = y + tap / 3 - 1, wanted_x = x + tap % 3 - 1;
    const int64_t ny = Clamp(wanted_y, args.height), nx = Clamp(wanted_x, args.width);
    if (!args.replicate && (ny != wanted_y || nx != wanted_x)) continue;
    const int64_t pixel = ny % args.held * args.width + nx;
    const int place = found.count++;
    found.pixels[place] = static_cast<const Number*>(args.in) + pixel * args.channels;
    found.taps[place] = args.taps + tap * args.channels;
    found.centre[place] = args.centre == nullptr ? 0 : args.centre[pixel];
    found.spread[place] = args.centre == nullptr ? 1 : args.spread[pixel];
    found.shift[place] = -found.centre[place] * found.spread[place];
  }
}

// Channels [channel, channel + kLanes), or one if `Wide` is a float.
template <typename Wide, typename Number>
KERNEL_INLINE Wide LoadAs(const Number* from) {
  if constexpr (sizeof(Wide) == sizeof(float)) {
    return Widen(*from);
  } else {
    return Load(from);
  }
}

template <typename Wide, bool kNormed, typename Number>
KERNEL_INLINE void ConvolveAt(const DepthwiseArgs& args, const Neighbours<Number>& found,
                              int64_t channel, const Number* residual, Number* out) {
  Wide sum = LoadAs<Wide>(args.bias + channel);
  for (int place = 0; place < found.count; ++place) {
    Wide value = LoadAs<Wide>(found.pixels[place] + channel);
    if constexpr (kNormed) value = (value - found.centre[place]) * found.spread[place];
    sum += value * LoadAs<Wide>(found.taps[place] + channel);
  }
  if (residual != nullptr) sum += LoadAs<Wide>(residual + channel);
  Store(out + channel, sum);
}

// A panel's width of channels, whose taps and bias have the even ones first.
template <bool kNormed>
KERNEL_INLINE void ConvolvePanel(const DepthwiseArgs& args, const Neighbours<BFloat16>& found,
                                 int64_t channel, const BFloat16* residual, BFloat16* out) {
  EvenOdd sum{Load(args.bias + channel), Load(args.bias + channel + kLanes)};
  for (int place = 0; place < found.count; ++place) {
    auto value = LoadEvenOdd(found.pixels[place] + channel);
    if constexpr (kNormed) {
      const float spread = found.spread[place], shift = found.shift[place];
      value = {value.even * spread + shift, value.odd * spread + shift};
    }
    const float* const taps = found.taps[place] + channel;
    sum.even += value.even * Load(taps);
    sum.odd += value.odd * Load(taps + kLanes);
  }
  if (residual != nullptr) {
    const auto before = LoadEvenOdd(residual + channel);
    sum = {sum.even + before.even, sum.odd + before.odd};
  }
  StoreEvenOdd(out + channel, sum);
}

// All channels of a pixel.
template <bool kNormed>
KERNEL_INLINE void ConvolvePixel(const DepthwiseArgs& args, const Neighbours<float>& found,
                                 const float* residual, float* out) {
  const int64_t whole = args.channels / kLanes * kLanes;
  for (int64_t i = 0; i < whole; i += kLanes)
    ConvolveAt<Vec, kNormed>(args, found, i, residual, out);
  for (int64_t i = whole; i < args.channels; ++i)
    ConvolveAt<float, kNormed>(args, found, i, residual, out);
}

template <bool kNormed>
KERNEL_INLINE void ConvolvePixel(const DepthwiseArgs& args, const Neighbours<BFloat16>& found,
                                 const BFloat16* residual, BFloat16* out) {
  const int64_t whole = args.channels / kPanel * kPanel;
  for (int64_t i = 0; i < whole; i += kPanel) ConvolvePanel<kNormed>(args, found, i, residual, out);
  for (int64_t i = whole; i < args.channels; ++i)
    ConvolveAt<float, kNormed>(args, found, i, residual, out);
}

template <bool kNormed, typename Number>
void ConvolvePixels(const DepthwiseArgs& args) {
  Neighbours<Number> found;
  const auto* residual = static_cast<const Number*>(args.residual);
  auto* out = static_cast<Number*>(args.out);
  for (int64_t pixel = args.first; pixel < args.end; ++pixel) {
    FindNeighbours(args, pixel / args.width, pixel % args.width, found);
    ConvolvePixel<kNormed>(args, found, residual, out);
    RowStatistics(out, args.channels, args.epsilon, args.out_centre + (pixel - args.first),
                  args.out_spread + (pixel - args.first));
    out += args.channels;
    if (residual != nullptr) residual += args.channels;
  }
}

template <typename Number>
void Depthwise(const DepthwiseArgs& args) {
  (args.centre == nullptr ? ConvolvePixels<false, Number> : ConvolvePixels<true, Number>)(args);
}

}  // namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE

#endif  // CPP_RUNTIME_KERNELS_MAPS_H_
