#include "testing/kernels/product_case.h"

#include <cmath>

#include "testing/kernels/numbers.h"

namespace wuerstchen::testing {
namespace {

using runtime::kernels::Format;
using runtime::kernels::Kernels;
using runtime::kernels::kPassDepth;
using runtime::kernels::PackArgs;
using runtime::kernels::ProductArgs;
using runtime::kernels::Segment;

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
    const PackArgs part{segment.weight, kColumns, depth, 0, kColumns};
    if (format == Format::kPacked) kernels.pack(part, packed.data());
    if (format == Format::kQuantised) kernels.quantise(part, packed.data());
    if (format == Format::kBytes) kernels.pack_bytes(part, packed.data());
    segment.weight = {packed.data(), format, 0};
    return segment;
  }

  // Of each pass of both segments.
  std::vector<char> RoundedRows(const Segment (&segments)[2], int64_t rows) const {
    std::vector<char> rounded;
    std::vector<float> row(kPassDepth);
    for (const auto& segment : segments) {
      for (int64_t start = 0; start < segment.depth; start += kPassDepth) {
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
    ProductArgs args;
    args.segments = segments;
    args.segment_count = 2;
    args.rows = rows;
    args.strip_rows = rows;
    args.columns = kColumns;
    args.first_panel = 0;
    args.end_panel = kColumns / kernels.panel;
    args.out = out.From(0);
    args.out_stride = kColumns;
    args.bias = bias.data();
    args.residual = residual.From(static_cast<size_t>(first_row * kColumns));
    args.gelu = true;
    args.energy = energy == nullptr ? nullptr : energy->data();
    args.scratch = scratch.data();
    const auto bytes = format == Format::kBytes ? RoundedRows(segments, rows) : std::vector<char>();
    args.rounded = bytes.data();
    kernels.product(args);
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

}  // namespace

std::vector<Answer> AskProducts(const Kernels& kernels) {
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
  return answers;
}

}  // namespace wuerstchen::testing
