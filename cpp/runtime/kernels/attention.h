// Attention of a block of queries to all keys of a head, in one pass over the keys: the softmax is
// kept relative to the largest score seen so far, and what was summed is scaled down when a larger
// one comes.
#ifndef CPP_RUNTIME_KERNELS_ATTENTION_H_
#define CPP_RUNTIME_KERNELS_ATTENTION_H_

#include "runtime/kernels/tile.h"

namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE {

constexpr Finish kNothing{nullptr, nullptr, false, nullptr};

KERNEL_INLINE int64_t RoundedUp(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// Panels of kPanel keys, [head_dim][kPanel] each.
void PackKeys(const HeadRows& rows, float* packed) {
  for (int64_t index = 0; index < rows.count; ++index) {
    const int64_t key = rows.first + index;
    const float* from = rows.rows + index * rows.stride;
    float* to = packed + key / kPanel * kPanel * rows.head_dim + key % kPanel;
    for (int64_t i = 0; i < rows.head_dim; ++i) to[i * kPanel] = from[i];
  }
}

// Panels of kPanel of a head's channels, [capacity][kPanel] each; the last is filled up with zeros.
void PackValues(const HeadRows& rows, float* packed) {
  for (int64_t start = 0; start < rows.head_dim; start += kPanel) {
    const int64_t present = rows.head_dim - start < kPanel ? rows.head_dim - start : kPanel;
    for (int64_t index = 0; index < rows.count; ++index) {
      const float* from = rows.rows + index * rows.stride + start;
      float* to = packed + start * rows.capacity + (rows.first + index) * kPanel;
      for (int64_t i = 0; i < present; ++i) to[i] = from[i];
      for (int64_t i = present; i < kPanel; ++i) to[i] = 0;
    }
  }
}

struct SoftmaxRow {
  float largest;
  float sum;
};

// Turns `count` scores into weights relative to the largest so far; those behind, up to a whole
// vector, into zeros. Returns what all that was summed before is to be multiplied with.
KERNEL_INLINE float Weigh(float* scores, int64_t count, SoftmaxRow& row) {
  const int64_t whole = count / kLanes * kLanes;
  Vec largest = Fill(row.largest);
  for (int64_t i = 0; i < whole; i += kLanes) largest = Max(largest, Load(scores + i));
  float most = row.largest;
  for (int lane = 0; lane < kLanes; ++lane) most = largest[lane] > most ? largest[lane] : most;
  for (int64_t i = whole; i < count; ++i) most = scores[i] > most ? scores[i] : most;
  Vec sums{};
  for (int64_t i = 0; i < whole; i += kLanes) {
    const Vec weight = ExpOfNegative(Load(scores + i) - most);
    sums += weight;
    Store(scores + i, weight);
  }
  float sum = Sum(sums);
  if (whole < count) {
    const Vec weight = ExpOfNegative(Min(Load(scores + whole) - most, Vec{}));
    for (int lane = 0; lane < kLanes; ++lane) {
      const bool present = whole + lane < count;
      scores[whole + lane] = present ? weight[lane] : 0;
      sum += present ? weight[lane] : 0;
    }
  }
  const float shrink = ExpOfNegative(Fill(row.largest - most))[0];
  row.sum = row.sum * shrink + sum;
  row.largest = most;
  return shrink;
}

// The values of `count` keys from `first` on, weighted: added to `sums` (rows kDepthBlock apart).
void AttendTo(const AttentionBlock& block, int64_t first, int64_t count, const float* queries,
              float* scores, float* sums, SoftmaxRow* softmax) {
  const int64_t padded = RoundedUp(count, kPanel);
  for (int64_t key = 0; key < padded; key += kPanel) {
    const float* const keys = block.keys + (first + key) * block.head_dim;
    Strip<false>(block.rows, Operands{block.head_dim, queries, keys}, scores + key, kDepthBlock,
                 false, kNothing);
  }
  for (int64_t row = 0; row < block.rows; ++row) {
    const float shrink = Weigh(scores + row * kDepthBlock, count, softmax[row]);
    float* const sum = sums + row * kDepthBlock;
    if (shrink != 1) {
      for (int64_t i = 0; i < block.head_dim; ++i) sum[i] *= shrink;
    }
  }
  const int64_t capacity = RoundedUp(block.key_count, kPanel);
  for (int64_t channel = 0; channel < block.head_dim; channel += kPanel) {
    const float* const values = block.values + channel * capacity + first * kPanel;
    Strip<false>(block.rows, Operands{count, scores, values}, sums + channel, kDepthBlock, true,
                 kNothing);
  }
}

void Attention(const AttentionBlock& block) {
  float* const queries = block.scratch;
  float* const scores = queries + kQueryBlock * kDepthBlock;
  float* const sums = scores + kQueryBlock * kDepthBlock;
  auto* const softmax = reinterpret_cast<SoftmaxRow*>(sums + kQueryBlock * kDepthBlock);
  for (int64_t row = 0; row < block.rows; ++row) {
    const float* const from = block.queries + row * block.query_stride;
    for (int64_t i = 0; i < block.head_dim; ++i) {
      queries[row * kDepthBlock + i] = from[i] * block.scale;
    }
    const int64_t width = RoundedUp(block.head_dim, kPanel);
    for (int64_t i = 0; i < width; ++i) sums[row * kDepthBlock + i] = 0;
    softmax[row] = {-3.4e38f, 0};
  }
  for (int64_t first = 0; first < block.key_count; first += kDepthBlock) {
    const int64_t left = block.key_count - first;
    AttendTo(block, first, left < kDepthBlock ? left : kDepthBlock, queries, scores, sums, softmax);
  }
  for (int64_t row = 0; row < block.rows; ++row) {
    const float share = 1 / softmax[row].sum;
    float* const to = block.out + row * block.out_stride;
    for (int64_t i = 0; i < block.head_dim; ++i) to[i] = sums[row * kDepthBlock + i] * share;
  }
}

}  // namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE

#endif  // CPP_RUNTIME_KERNELS_ATTENTION_H_
