#include "testing/kernels/cases.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

namespace wuerstchen::testing {
namespace {

using runtime::kernels::AttentionBlock;
using runtime::kernels::AttentionKernels;
using runtime::kernels::DepthwiseBlock;
using runtime::kernels::Format;
using runtime::kernels::HeadRows;
using runtime::kernels::kAttentionScratch;
using runtime::kernels::kDepthBlock;
using runtime::kernels::Kernels;
using runtime::kernels::Number;
using runtime::kernels::PackedPart;
using runtime::kernels::ProductBlock;
using runtime::kernels::Segment;

using Doubles = std::vector<double>;

float FromBits(uint16_t bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

uint16_t BitsOf(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// Numbers of a map in the type of a table, and the same in double precision.
struct Numbers {
  Numbers(Number number, size_t count) : number(number), bytes(count * Size(number) + 64) {}
  static size_t Size(Number number) { return number == Number::kFloat32 ? 4 : 2; }

  void Set(size_t index, float value) {
    if (number == Number::kFloat32) {
      std::memcpy(bytes.data() + 4 * index, &value, 4);
    } else {
      const uint16_t narrow = BitsOf(value);
      std::memcpy(bytes.data() + 2 * index, &narrow, 2);
    }
  }
  double At(size_t index) const {
    float wide;
    uint16_t narrow;
    if (number == Number::kFloat32) {
      std::memcpy(&wide, bytes.data() + 4 * index, 4);
      return wide;
    }
    std::memcpy(&narrow, bytes.data() + 2 * index, 2);
    return FromBits(narrow);
  }
  void* From(size_t index) { return bytes.data() + index * Size(number); }

  Number number;
  std::vector<char> bytes;
};

// From -1 to 1, without a pattern.
class Noise {
 public:
  explicit Noise(uint32_t seed) : state_(seed) {}
  float Next() {
    state_ = state_ * 1664525u + 1013904223u;
    return static_cast<float>(state_ >> 8) / 8388608.0f - 1.0f;
  }
  Numbers Fill(Number number, size_t count) {
    Numbers numbers(number, count);
    for (size_t i = 0; i < count; ++i) numbers.Set(i, Next());
    return numbers;
  }
  std::vector<float> Floats(size_t count) {
    std::vector<float> numbers(count + 64);
    for (auto& number : numbers) number = Next();
    return numbers;
  }

 private:
  uint32_t state_;
};

double ErrorOf(const Numbers& got, const Doubles& want) {
  double square = 0, largest = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    square += want[i] * want[i];
    const double error = std::abs(got.At(i) - want[i]);
    if (!(error <= largest)) largest = error;  // NaN, too
  }
  return largest / std::sqrt(square / static_cast<double>(want.size()));
}

bool SameBits(const Numbers& all, size_t from, const Numbers& some, size_t count) {
  const size_t size = Numbers::Size(all.number);
  return std::memcmp(all.bytes.data() + from * size, some.bytes.data(), count * size) == 0;
}

double Gelu(double x) {
  return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
}

// A product of two segments, the first normed and scaled, with bias, GELU and residual. Its depth
// is more than a pass, and no whole number of anything.
struct ProductCase {
  static constexpr int64_t kRows = 47, kFirst = 300, kSecond = 52, kColumns = 96;

  explicit ProductCase(const Kernels& kernels)
      : kernels(kernels),
        noise(7),
        left(noise.Fill(kernels.number, kRows * kFirst)),
        right(noise.Fill(kernels.number, kRows * kSecond)),
        residual(noise.Fill(kernels.number, kRows * kColumns)),
        centre(noise.Floats(kRows)),
        spread(noise.Floats(kRows)),
        factor(noise.Floats(kFirst)),
        bias(noise.Floats(kColumns)),
        first(noise.Fill(kernels.number, kColumns * kFirst)),
        second(noise.Fill(kernels.number, kColumns * kSecond)) {}

  // One weight, in some format.
  Segment SegmentOf(Numbers& rows, int64_t depth, Numbers& weight, Format format,
                    std::vector<char>& packed) const {
    const Format stored = kernels.number == Number::kFloat32 ? Format::kFloat32 : Format::kBFloat16;
    Segment segment{
        rows.From(0), depth, depth, nullptr, nullptr, nullptr, {weight.From(0), stored, depth}};
    if (format == stored) return segment;
    packed.resize(static_cast<size_t>(runtime::kernels::BytesOf(kColumns, depth)) * 4 + 4096);
    const PackedPart part{segment.weight, kColumns, depth, 0, kColumns};
    if (format == Format::kPacked) kernels.pack(part, packed.data());
    if (format == Format::kQuantised) kernels.quantise(part, packed.data());
    if (format == Format::kBytes) kernels.pack_bytes(part, packed.data());
    segment.weight = {packed.data(), format, 0};
    return segment;
  }

  // Of each pass of both segments.
  std::vector<char> RoundedRows(const Segment (&segments)[2], int64_t rows) const {
    std::vector<char> rounded;
    std::vector<float> row(kDepthBlock);
    for (const auto& segment : segments) {
      for (int64_t start = 0; start < segment.depth; start += kDepthBlock) {
        const size_t end = rounded.size();
        rounded.resize(end + static_cast<size_t>(runtime::kernels::RoundedBytes(rows)));
        kernels.round_rows(segment, rows, start, row.data(), rounded.data() + end);
      }
    }
    return rounded;
  }

  Numbers Run(Format format, int64_t first_row, int64_t rows, std::vector<float>* energy) {
    std::vector<char> packed[2];
    Segment segments[2] = {SegmentOf(left, kFirst, first, format, packed[0]),
                           SegmentOf(right, kSecond, second, format, packed[1])};
    segments[0].centre = centre.data() + first_row;
    segments[0].spread = spread.data() + first_row;
    segments[0].factor = factor.data();
    segments[0].rows = left.From(static_cast<size_t>(first_row * kFirst));
    segments[1].rows = right.From(static_cast<size_t>(first_row * kSecond));
    Numbers out(kernels.number, static_cast<size_t>(rows * kColumns));
    std::vector<float> scratch(static_cast<size_t>(kernels.product_scratch) + 64);
    ProductBlock block;
    block.segments = segments;
    block.segment_count = 2;
    block.rows = rows;
    block.strip_rows = rows;
    block.columns = kColumns;
    block.first_panel = 0;
    block.end_panel = kColumns / kernels.panel;
    block.out = out.From(0);
    block.out_stride = kColumns;
    block.bias = bias.data();
    block.residual = residual.From(static_cast<size_t>(first_row * kColumns));
    block.gelu = true;
    block.energy = energy == nullptr ? nullptr : energy->data();
    block.scratch = scratch.data();
    const auto bytes = format == Format::kBytes ? RoundedRows(segments, rows) : std::vector<char>();
    block.rounded = bytes.data();
    kernels.product(block);
    return out;
  }

  double Left(int64_t row, int64_t i) const {
    const auto at = static_cast<size_t>(row * kFirst + i);
    const double value = (left.At(at) - centre[static_cast<size_t>(row)]) *
                         spread[static_cast<size_t>(row)] * factor[static_cast<size_t>(i)];
    if (kernels.number == Number::kFloat32) return value;
    return FromBits(BitsOf(static_cast<float>(value)));  // rows are rounded before they multiply
  }

  Doubles Want() const {
    Doubles want;
    for (int64_t row = 0; row < kRows; ++row) {
      for (int64_t column = 0; column < kColumns; ++column) {
        double sum = bias[static_cast<size_t>(column)];
        for (int64_t i = 0; i < kFirst; ++i)
          sum += Left(row, i) * first.At(static_cast<size_t>(column * kFirst + i));
        for (int64_t i = 0; i < kSecond; ++i)
          sum += right.At(static_cast<size_t>(row * kSecond + i)) *
                 second.At(static_cast<size_t>(column * kSecond + i));
        want.push_back(Gelu(sum) + residual.At(static_cast<size_t>(row * kColumns + column)));
      }
    }
    return want;
  }

  Answer Ask(const std::string& name, Format format, const Doubles& want) {
    std::vector<float> energy(kColumns + 64);
    const auto all = Run(format, 0, kRows, &energy);
    constexpr int64_t kFrom = 13, kSome = 9;
    const auto some = Run(format, kFrom, kSome, nullptr);
    return {name, ErrorOf(all, want),
            SameBits(all, static_cast<size_t>(kFrom * kColumns), some,
                     static_cast<size_t>(kSome * kColumns))};
  }

  const Kernels& kernels;
  Noise noise;
  Numbers left, right, residual;
  std::vector<float> centre, spread, factor, bias;
  Numbers first, second;
};

Answer AskAttention(const std::string& name, const Kernels& kernels, const AttentionKernels& how) {
  constexpr int64_t kQueries = 33, kKeys = 301, kDim = 64;
  constexpr float kScale = 0.125f;
  Noise noise(11);
  auto queries = noise.Fill(kernels.number, kQueries * kDim);
  auto keys = noise.Fill(kernels.number, kKeys * kDim);
  auto values = noise.Fill(kernels.number, kKeys * kDim);
  const int64_t capacity =
      (kKeys + kernels.key_multiple - 1) / kernels.key_multiple * kernels.key_multiple;
  std::vector<float> packed_keys(static_cast<size_t>(capacity * kDim) + 64),
      packed_values(static_cast<size_t>(capacity * kDim) + 64);
  how.pack_keys({keys.From(0), kDim, kKeys, kDim, 0, capacity}, packed_keys.data());
  how.pack_values({values.From(0), kDim, kKeys, kDim, 0, capacity}, packed_values.data());
  const auto run = [&](int64_t first, int64_t rows) {
    Numbers out(kernels.number, static_cast<size_t>(rows * kDim));
    std::vector<float> scratch(kAttentionScratch + 64);
    how.attend({queries.From(static_cast<size_t>(first * kDim)), kDim, rows, kDim,
                packed_keys.data(), packed_values.data(), kKeys, kScale, out.From(0), kDim,
                scratch.data()});
    return out;
  };
  Doubles want;
  for (int64_t query = 0; query < kQueries; ++query) {
    Doubles weights, sums(kDim);
    double all = 0;
    for (int64_t key = 0; key < kKeys; ++key) {
      double score = 0;
      for (int64_t i = 0; i < kDim; ++i)
        score += queries.At(static_cast<size_t>(query * kDim + i)) *
                 keys.At(static_cast<size_t>(key * kDim + i));
      weights.push_back(std::exp(score * kScale));
      all += weights.back();
    }
    for (int64_t key = 0; key < kKeys; ++key) {
      for (int64_t i = 0; i < kDim; ++i)
        sums[static_cast<size_t>(i)] += weights[static_cast<size_t>(key)] / all *
                                        values.At(static_cast<size_t>(key * kDim + i));
    }
    want.insert(want.end(), sums.begin(), sums.end());
  }
  const auto all = run(0, kQueries), some = run(5, 12);
  return {name, ErrorOf(all, want), SameBits(all, 5 * kDim, some, 12 * kDim)};
}

// A depthwise convolution of normed pixels, with the statistics of what comes out.
Answer AskDepthwise(const Kernels& kernels) {
  constexpr int64_t kHeight = 5, kWidth = 6, kChannels = 45, kPixels = kHeight * kWidth;
  const int64_t whole = kChannels / kernels.panel * kernels.panel;
  Noise noise(13);
  auto in = noise.Fill(kernels.number, kPixels * kChannels);
  auto residual = noise.Fill(kernels.number, kPixels * kChannels);
  const auto centre = noise.Floats(kPixels), spread = noise.Floats(kPixels);
  const auto taps = noise.Floats(9 * kChannels), bias = noise.Floats(kChannels);
  // Where bfloat16 takes the taps of a panel, the even ones first.
  const auto place = [&](int64_t channel) {
    if (kernels.number == Number::kFloat32 || channel >= whole) return channel;
    const int64_t within = channel % kernels.panel;
    return channel - within + within / 2 + within % 2 * kernels.panel / 2;
  };
  const auto run = [&](int64_t first, int64_t end) {
    Numbers out(kernels.number, static_cast<size_t>((end - first) * kChannels));
    std::vector<float> out_centre(kPixels), out_spread(kPixels);
    DepthwiseBlock block{};
    block.in = in.From(0);
    block.centre = centre.data();
    block.spread = spread.data();
    block.taps = taps.data();
    block.bias = bias.data();
    block.residual = residual.From(static_cast<size_t>(first * kChannels));
    block.out = out.From(0);
    block.out_centre = out_centre.data();
    block.out_spread = out_spread.data();
    block.height = kHeight;
    block.width = kWidth;
    block.channels = kChannels;
    block.first = first;
    block.end = end;
    block.epsilon = 1e-6f;
    kernels.depthwise(block);
    return out;
  };
  Doubles want;
  for (int64_t pixel = 0; pixel < kPixels; ++pixel) {
    for (int64_t channel = 0; channel < kChannels; ++channel) {
      double sum = bias[static_cast<size_t>(place(channel))];
      for (int64_t tap = 0; tap < 9; ++tap) {
        const int64_t y = pixel / kWidth + tap / 3 - 1, x = pixel % kWidth + tap % 3 - 1;
        if (y < 0 || y >= kHeight || x < 0 || x >= kWidth) continue;
        const auto from = static_cast<size_t>(y * kWidth + x);
        sum += (in.At(from * kChannels + static_cast<size_t>(channel)) - centre[from]) *
               spread[from] * taps[static_cast<size_t>(tap * kChannels + place(channel))];
      }
      want.push_back(sum + residual.At(static_cast<size_t>(pixel * kChannels + channel)));
    }
  }
  const auto all = run(0, kPixels), some = run(7, 19);
  return {"depthwise", ErrorOf(all, want), SameBits(all, 7 * kChannels, some, 12 * kChannels)};
}

Answer AskModulate(const Kernels& kernels) {
  constexpr int64_t kRows = 9, kChannels = 77;
  Noise noise(17);
  auto rows = noise.Fill(kernels.number, kRows * kChannels);
  auto scale = noise.Fill(kernels.number, kChannels), shift = noise.Fill(kernels.number, kChannels);
  const auto run = [&](int64_t first, int64_t count) {
    Numbers out(kernels.number, static_cast<size_t>(count * kChannels));
    kernels.modulate(rows.From(static_cast<size_t>(first * kChannels)), count, kChannels,
                     scale.From(0), shift.From(0), out.From(0));
    return out;
  };
  Doubles want;
  for (size_t i = 0; i < kRows * kChannels; ++i) {
    const size_t channel = i % kChannels;
    want.push_back(rows.At(i) * (1 + scale.At(channel)) + shift.At(channel));
  }
  const auto all = run(0, kRows), some = run(2, 3);
  return {"modulate", ErrorOf(all, want), SameBits(all, 2 * kChannels, some, 3 * kChannels)};
}

Answer AskStatistics(const Kernels& kernels) {
  constexpr int64_t kRows = 9, kChannels = 77;
  Noise noise(19);
  auto rows = noise.Fill(kernels.number, kRows * kChannels);
  const auto run = [&](int64_t first, int64_t count) {
    std::vector<float> centre(kRows), spread(kRows);
    kernels.statistics(rows.From(static_cast<size_t>(first * kChannels)), count, kChannels, 1e-6f,
                       centre.data(), spread.data());
    Numbers both(Number::kFloat32, static_cast<size_t>(2 * count));
    for (int64_t row = 0; row < count; ++row) {
      both.Set(static_cast<size_t>(2 * row), centre[static_cast<size_t>(row)]);
      both.Set(static_cast<size_t>(2 * row + 1), spread[static_cast<size_t>(row)]);
    }
    return both;
  };
  Doubles want;
  for (int64_t row = 0; row < kRows; ++row) {
    double sum = 0, square = 0;
    for (int64_t i = 0; i < kChannels; ++i)
      sum += rows.At(static_cast<size_t>(row * kChannels + i));
    for (int64_t i = 0; i < kChannels; ++i) {
      const double offset = rows.At(static_cast<size_t>(row * kChannels + i)) - sum / kChannels;
      square += offset * offset;
    }
    want.push_back(sum / kChannels);
    want.push_back(1 / std::sqrt(square / kChannels + 1e-6));
  }
  const auto all = run(0, kRows), some = run(2, 3);
  return {"statistics", ErrorOf(all, want), SameBits(all, 4, some, 6)};
}

}  // namespace

std::vector<Answer> Answers(const Kernels& kernels) {
  ProductCase product(kernels);
  const auto want = product.Want();
  const bool wide = kernels.number == Number::kFloat32;
  std::vector<Answer> answers{
      product.Ask("product-packed", Format::kPacked, want),
      product.Ask("product-stored", wide ? Format::kFloat32 : Format::kBFloat16, want)};
  if (wide) {
    answers.push_back(product.Ask("product-int8", Format::kQuantised, want));
    answers.push_back(product.Ask("product-bytes", Format::kBytes, want));
  }
  answers.push_back(AskAttention("attention", kernels, kernels.attention));
  answers.push_back(AskAttention("attention-rough", kernels, kernels.rough_attention));
  answers.push_back(AskDepthwise(kernels));
  answers.push_back(AskModulate(kernels));
  answers.push_back(AskStatistics(kernels));
  return answers;
}

}  // namespace wuerstchen::testing
