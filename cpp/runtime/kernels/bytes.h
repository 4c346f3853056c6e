// Products of 8 bits with 8 bits: four neighbours of the depth are one number of 32 bits, which the
// CPU multiplies and adds at once. Weights have a sign and a scale for each column of a panel and
// pass; rows have none, but a scale and a zero of their own in every pass, so that what is mostly
// on one side of zero, as GELU's results are, loses no bit to the other side. The sums of a pass
// are exact in 32 bits; what passes give is added in float32.
#ifndef CPP_RUNTIME_KERNELS_BYTES_H_
#define CPP_RUNTIME_KERNELS_BYTES_H_

#include "runtime/kernels/quantised.h"

namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE {

constexpr float kByteLimit = 255;
static_assert(kByteLimit * kWeightLimit * kPassDepth < 2147483648.0, "a pass fits 32 bits");

// What is taken off the bytes of rows: where the CPU multiplies only bytes with a sign, theirs are
// those from -128 to 127.
#if KERNEL_SIGNED_FOURS
constexpr int kByteOffset = 128;
#else
constexpr int kByteOffset = 0;
#endif

// sums[i] + the products of the four bytes of a[i], from 0 to 255, with those of b[i].
KERNEL_INLINE IntVec AddFours(IntVec sums, IntVec a, IntVec b) {
#if KERNEL_FOURS && !KERNEL_ARM
  return reinterpret_cast<IntVec>(_mm512_dpbusd_epi32(
      reinterpret_cast<__m512i>(sums), reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
#else
  for (int place = 0; place < 32; place += 8) {
    sums += (a >> place & 255) * (b << (24 - place) >> 24);
  }
  return sums;
#endif
}

// Where the panel of a pass lies: a scale for each of its columns, each column's sum times that,
// then its numbers in fours.
KERNEL_INLINE int64_t BytePlace(int64_t columns, int64_t start, int64_t depth, int64_t panel) {
  return BytesOf(columns, start) + panel * BytesOf(kPanel, depth);
}

// The depth is a multiple of four.
void PackBytes(const PackArgs& part, void* packed) {
  ForEachPanel(part, [&](const float* panel, int64_t start, int64_t depth, int64_t place) {
    char* const to = static_cast<char*>(packed) + BytePlace(part.all_columns, start, depth, place);
    auto* const scales = reinterpret_cast<float*>(to);
    float* const sums = scales + kPanel;
    auto* const fours = reinterpret_cast<int8_t*>(sums + kPanel);
    for (int64_t column = 0; column < kPanel; ++column) {
      int32_t sum = 0;
      scales[column] = RoundColumn<4>(panel, column, depth, fours, &sum);
      sums[column] = scales[column] * static_cast<float>(sum);
    }
  });
}

// The scale of each row, its zero times that, and bytes, kByteStride apart.
template <typename Float, typename Byte>
struct ByteRows {
  Float* scales;
  Float* zeros;
  Byte* bytes;
};

KERNEL_INLINE ByteRows<const float, const uint8_t> ByteRowsAt(const void* rounded, int64_t rows) {
  const auto* const scales = static_cast<const float*>(rounded);
  return {scales, scales + rows, reinterpret_cast<const uint8_t*>(scales + 2 * rows)};
}

KERNEL_INLINE ByteRows<float, uint8_t> ByteRowsAt(void* rounded, int64_t rows) {
  auto* const scales = static_cast<float*>(rounded);
  return {scales, scales + rows, reinterpret_cast<uint8_t*>(scales + 2 * rows)};
}

KERNEL_INLINE void RoundToBytes(const float* row, int64_t depth, float inverse, float zero,
                                uint8_t* to) {
  for (int64_t i = 0; i < depth; i += kLanes) {
    const Vec value = Min(Max(Load(row + i) * inverse + zero, Vec{}), Fill(kByteLimit));
    const auto bytes = __builtin_convertvector((Rounded(value) - kByteOffset) & 255, ByteVec);
    std::memcpy(to + i, &bytes, sizeof bytes);
  }
}

void RoundRows(const Segment& segment, int64_t rows, int64_t start, float* row, void* rounded) {
  const auto left = ByteRowsAt(rounded, rows);
  const int64_t rest = segment.depth - start, depth = rest < kPassDepth ? rest : kPassDepth;
  const int64_t padded = (depth + kLanes - 1) / kLanes * kLanes;
  for (int64_t i = depth; i < padded; ++i) row[i] = 0;
  for (int64_t index = 0; index < rows; ++index) {
    CopyLeft(segment, index, index + 1, start, depth, row);
    const auto [least, largest] = RangeOf(row, padded);
    const float span = largest - least;
    const float inverse = span > 0 ? kByteLimit / span : 0;
    const float zero =
        inverse > 0 ? static_cast<float>(static_cast<int32_t>(0.5f - least * inverse)) : 0;
    left.scales[index] = span / kByteLimit;
    left.zeros[index] = left.scales[index] * (zero - kByteOffset);
    RoundToBytes(row, padded, inverse, zero, left.bytes + index * kByteStride);
  }
}

struct ByteOperands {
  int64_t depth;
  ByteRows<const float, const uint8_t> left;
  const int8_t* right;
  Ahead* ahead = nullptr;

  template <int Rows>
  KERNEL_MEMBER void Multiply(Vec (&sums)[Rows][2], const Sums& before) const {
    IntVec exact[Rows][2] = {};
    const uint8_t* four = left.bytes;
    const int8_t* panel = fours();
#if KERNEL_FOURS && KERNEL_ARM
    AskAt(ahead, 0, depth);
    MultiplyByLanes<AddProductsOfFours>(exact, four, kByteStride, panel, depth / 4);
#else
    for (int64_t i = 0; i < depth;) {
      for (const int64_t end = AskAt(ahead, i, depth); i < end; i += 4) {
        const IntVec first = LoadBits(panel), second = LoadBits(panel + 4 * kLanes);
#pragma GCC unroll 16
        for (int row = 0; row < Rows; ++row) {
          const IntVec factor = FillBits(four + row * kByteStride);
          exact[row][0] = AddFours(exact[row][0], factor, first);
          exact[row][1] = AddFours(exact[row][1], factor, second);
        }
        four += 4;
        panel += 4 * kPanel;
      }
    }
#endif
    Start(sums, before);
    Scale(exact, sums);
  }

  // What the sums of a pass add to those in float32.
  template <int Rows>
  KERNEL_MEMBER void Scale(const IntVec (&exact)[Rows][2], Vec (&sums)[Rows][2]) const {
    const auto* const scales = reinterpret_cast<const float*>(right);
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      const Vec scale = Load(scales + half * kLanes);
      const Vec column_sum = Load(scales + kPanel + half * kLanes);
#pragma GCC unroll 16
      for (int row = 0; row < Rows; ++row) {
        sums[row][half] -= left.zeros[row] * column_sum;
        sums[row][half] +=
            __builtin_convertvector(exact[row][half], Vec) * left.scales[row] * scale;
      }
    }
  }
  KERNEL_MEMBER const int8_t* fours() const { return right + 2 * kPanel * sizeof(float); }
  KERNEL_MEMBER void SkipRows(int64_t rows) {
    left.bytes += rows * kByteStride;
    left.scales += rows;
    left.zeros += rows;
  }
};

}  // namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE

#endif  // CPP_RUNTIME_KERNELS_BYTES_H_
