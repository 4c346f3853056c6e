// Attention of a chunk of queries to all keys of a head, in one pass over the keys: the softmax is
// kept relative to the largest score seen so far, and what was summed is scaled down when a larger
// one comes. Scores and sums are float32 whatever the numbers of queries, keys and values.
#ifndef CPP_RUNTIME_KERNELS_ATTENTION_H_
#define CPP_RUNTIME_KERNELS_ATTENTION_H_

#include "runtime/kernels/amx.h"
#include "runtime/kernels/pairs.h"
#include "runtime/kernels/tile.h"

namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE {

KERNEL_INLINE int64_t RoundedUp(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// How attention multiplies numbers of one kind, and what makes a weight of how far a score is below
// the largest. Float32 is scaled before it is multiplied; bfloat16 would be rounded once more by
// that.
template <typename Number>
struct AttentionOf;

template <>
struct AttentionOf<float> {
  static constexpr int64_t kGroup = 1;  // neighbours of the depth that lie side by side in a panel
  static constexpr int64_t kStride = kPassDepth;
  static KERNEL_MEMBER float Query(float value, float scale) { return value * scale; }
  static KERNEL_MEMBER Vec Power(Vec below, float) { return ExpOfNegative(below); }
  static void Multiply(int64_t rows, const float* left, const float* panel, int64_t depth,
                       const Sums& sums) {
    StripOfSums(rows, Operands{depth, left, panel}, sums);
  }
};

template <>
struct AttentionOf<BFloat16> {
  static constexpr int64_t kGroup = 2;
  static constexpr int64_t kStride = kPassDepth + 32;  // see kPairStride
  static KERNEL_MEMBER BFloat16 Query(BFloat16 value, float) { return value; }
  static KERNEL_MEMBER Vec Power(Vec below, float scale) {
    return RoughExp2OfNegative(below * (scale * 1.44269504088896341f));
  }
  static void Multiply(int64_t rows, const BFloat16* left, const BFloat16* panel, int64_t depth,
                       const Sums& sums) {
    const PanelPiece piece{panel, RoundedUp(depth, 2)};
    StripOfSums(rows, PairOperands<kStride>{left, &piece, 1}, sums);
  }
};

// Where number `index` of the depth of column 0 lies in a panel; the next column is kGroup behind.
template <typename Number>
KERNEL_INLINE int64_t PlaceInPanel(int64_t index) {
  constexpr int64_t kGroup = AttentionOf<Number>::kGroup;
  return index / kGroup * kGroup * kPanel + index % kGroup;
}

// A row of a map as numbers of another kind.
template <typename Number, typename Map>
KERNEL_INLINE void CopyRow(const Map* from, int64_t count, Number* to) {
  if constexpr (std::is_same_v<Number, Map>) {
    std::memcpy(to, from, count * sizeof(Number));
  } else {
    int64_t i = 0;
    for (; i + kLanes <= count; i += kLanes) Store(to + i, Load(from + i));
    for (; i < count; ++i) to[i] = As<Number>(from[i]);
  }
}

// Panels of kPanel keys, (head_dim / kGroup, kPanel, kGroup) each.
template <typename Number, typename Map>
void PackKeys(const PackHeadArgs& rows, void* packed) {
  constexpr int64_t kGroup = AttentionOf<Number>::kGroup;
  for (int64_t index = 0; index < rows.count; ++index) {
    const int64_t key = rows.first + index;
    Number row[kPassDepth];
    CopyRow(static_cast<const Map*>(rows.rows) + index * rows.stride, rows.head_dim, row);
    auto* const to = static_cast<Number*>(packed) + key / kPanel * kPanel * rows.head_dim +
                     key % kPanel * kGroup;
    for (int64_t i = 0; i < rows.head_dim; i += kGroup)
      std::memcpy(to + i * kPanel, row + i, kGroup * sizeof(Number));
  }
}

// A panel's width of channels of as many keys as make a group.
template <typename Map>
KERNEL_INLINE void PackGroup(const Map* from, int64_t, float* to) {
  for (int64_t i = 0; i < kPanel; i += kLanes) Store(to + i, Load(from + i));
}

template <typename Map>
KERNEL_INLINE void PackGroup(const Map* from, int64_t stride, BFloat16* to) {
  for (int64_t i = 0; i < kPanel; i += kLanes)
    StoreEvenOdd(to + 2 * i, {Load(from + i), Load(from + stride + i)});
}

// Panels of kPanel of a head's channels, (capacity / kGroup, kPanel, kGroup) each. What is missing
// of the last panel and of the last group is zero.
template <typename Number, typename Map>
void PackValues(const PackHeadArgs& rows, void* packed) {
  constexpr int64_t kGroup = AttentionOf<Number>::kGroup;
  const int64_t last = rows.first + rows.count, end = RoundedUp(last, kGroup);
  for (int64_t start = 0; start < rows.head_dim; start += kPanel) {
    const int64_t present = rows.head_dim - start < kPanel ? rows.head_dim - start : kPanel;
    auto* const panel = static_cast<Number*>(packed) + start * rows.capacity;
    for (int64_t key = rows.first, taken = 1; key < end; key += taken) {
      const auto* const from =
          static_cast<const Map*>(rows.rows) + (key - rows.first) * rows.stride + start;
      Number* const to = panel + PlaceInPanel<Number>(key);
      const bool whole = present == kPanel && key % kGroup == 0 && key + kGroup <= last;
      taken = whole ? kGroup : 1;
      if (whole) {
        PackGroup(from, rows.stride, to);
      } else {
        for (int64_t i = 0; i < kPanel; ++i)
          to[i * kGroup] = key < last && i < present ? As<Number>(from[i]) : Number{};
      }
    }
  }
}

struct SoftmaxRow {
  float largest;
  float sum;
};

// Turns `count` scores into weights relative to the largest so far; those behind, up to a whole
// vector, into zeros. Returns what all that was summed before is to be multiplied with.
template <typename Number>
KERNEL_INLINE float Weigh(const float* scores, int64_t count, float scale, Number* weights,
                          SoftmaxRow& row) {
  using Of = AttentionOf<Number>;
  const int64_t whole = count / kLanes * kLanes;
  Vec largest = Fill(row.largest);
  for (int64_t i = 0; i < whole; i += kLanes) largest = Max(largest, Load(scores + i));
  float most = row.largest;
  for (int lane = 0; lane < kLanes; ++lane) most = largest[lane] > most ? largest[lane] : most;
  for (int64_t i = whole; i < count; ++i) most = scores[i] > most ? scores[i] : most;
  Vec sums{};
  for (int64_t i = 0; i < whole; i += kLanes) {
    const Vec weight = Of::Power(Load(scores + i) - most, scale);
    sums += weight;
    Store(weights + i, weight);
  }
  float sum = Sum(sums);
  if (whole < count) {
    Vec weight = Of::Power(Min(Load(scores + whole) - most, Vec{}), scale);
    for (int lane = 0; lane < kLanes; ++lane) {
      const bool present = whole + lane < count;
      weight[lane] = present ? weight[lane] : 0;
      sum += weight[lane];
    }
    Store(weights + whole, weight);
  }
  const float shrink = Of::Power(Fill(row.largest - most), scale)[0];
  row.sum = row.sum * shrink + sum;
  row.largest = most;
  return shrink;
}

// The scratch memory of a chunk, in float32 but for what is multiplied.
template <typename Number>
struct AttentionScratch {
  explicit AttentionScratch(float* memory)
      : scores(memory),
        sums(scores + kChunkQueries * kPassDepth),
        softmax(reinterpret_cast<SoftmaxRow*>(sums + kChunkQueries * kPassDepth)),
        queries(reinterpret_cast<Number*>(sums + kChunkQueries * kPassDepth + 2 * kChunkQueries)),
        weights(queries + kChunkQueries * AttentionOf<Number>::kStride) {}

  float* scores;        // of one part of the keys, rows kPassDepth apart
  float* sums;          // of weighted values, rows kPassDepth apart
  SoftmaxRow* softmax;  // of each row
  Number* queries;      // rows kStride apart
  Number* weights;      // the same
};

// Adds the weighted values of `count` keys from `first` on.
template <typename Number>
void AttendTo(const AttentionArgs& args, int64_t first, int64_t count,
              const AttentionScratch<Number>& scratch) {
  using Of = AttentionOf<Number>;
  const int64_t padded = RoundedUp(count, kPanel);
  for (int64_t key = 0; key < padded; key += kPanel) {
    Of::Multiply(args.rows, scratch.queries,
                 static_cast<const Number*>(args.keys) + (first + key) * args.head_dim,
                 args.head_dim, {scratch.scores + key, kPassDepth, false});
  }
  for (int64_t row = 0; row < args.rows; ++row) {
    const float shrink = Weigh(scratch.scores + row * kPassDepth, count, args.scale,
                               scratch.weights + row * Of::kStride, scratch.softmax[row]);
    float* const sum = scratch.sums + row * kPassDepth;
    if (shrink != 1) {
      for (int64_t i = 0; i < args.head_dim; ++i) sum[i] *= shrink;
    }
  }
  const int64_t capacity = RoundedUp(args.key_count, kPanel);
  for (int64_t channel = 0; channel < args.head_dim; channel += kPanel) {
    Of::Multiply(args.rows, scratch.weights,
                 static_cast<const Number*>(args.values) + channel * capacity + first * kPanel,
                 count, {scratch.sums + channel, kPassDepth, true});
  }
}

template <typename Number, typename Map>
void Attention(const AttentionArgs& args) {
  using Of = AttentionOf<Number>;
  const AttentionScratch<Number> scratch(args.scratch);
  const int64_t width = RoundedUp(args.head_dim, kPanel);
  [[maybe_unused]] const TileSession tiles;
  for (int64_t row = 0; row < args.rows; ++row) {
    const auto* const from = static_cast<const Map*>(args.queries) + row * args.query_stride;
    Number* const query = scratch.queries + row * Of::kStride;
    CopyRow(from, args.head_dim, query);
    for (int64_t i = 0; i < args.head_dim; ++i) query[i] = Of::Query(query[i], args.scale);
    for (int64_t i = 0; i < width; ++i) scratch.sums[row * kPassDepth + i] = 0;
    scratch.softmax[row] = {-3.4e38f, 0};
  }
  for (int64_t first = 0; first < args.key_count; first += kPassDepth) {
    const int64_t left = args.key_count - first;
    AttendTo(args, first, left < kPassDepth ? left : kPassDepth, scratch);
  }
  for (int64_t row = 0; row < args.rows; ++row) {
    const float share = 1 / scratch.softmax[row].sum;
    auto* const to = static_cast<Map*>(args.out) + row * args.out_stride;
    for (int64_t i = 0; i < args.head_dim; ++i) {
      Store(to + i, scratch.sums[row * kPassDepth + i] * share);
    }
  }
}

template <typename Number, typename Map>
constexpr AttentionKernels kAttention{
    .number =
        sizeof(Number) == sizeof(float) ? kernels::Number::kFloat32 : kernels::Number::kBFloat16,
    .pack_keys = PackKeys<Number, Map>,
    .pack_values = PackValues<Number, Map>,
    .attend = Attention<Number, Map>,
};

}  // namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE

#endif  // CPP_RUNTIME_KERNELS_ATTENTION_H_
