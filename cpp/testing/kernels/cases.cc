#include "testing/kernels/cases.h"

#include <cmath>
#include <utility>

#include "testing/kernels/numbers.h"
#include "testing/kernels/product_case.h"

namespace wuerstchen::testing {
namespace {

using runtime::kernels::AttentionKernels;
using runtime::kernels::DepthwiseArgs;
using runtime::kernels::kAttentionScratch;
using runtime::kernels::Kernels;

// Keys and values come in two parts, as a picture's own and those of its text do; the first has an
// odd number of them.
Answer AskAttention(const std::string& name, const Kernels& kernels, const AttentionKernels& how,
                    int64_t dim) {
  constexpr int64_t kQueries = 33, kOwn = 101, kKeys = 301;
  constexpr float kScale = 0.125f;
  Noise noise(11);
  auto queries = noise.Fill(kernels.number, kQueries * dim);
  auto keys = noise.Fill(kernels.number, kKeys * dim);
  auto values = noise.Fill(kernels.number, kKeys * dim);
  const int64_t capacity =
      (kKeys + kernels.key_multiple - 1) / kernels.key_multiple * kernels.key_multiple;
  const int64_t width = (dim + kernels.panel - 1) / kernels.panel * kernels.panel;
  std::vector<float> packed_keys(static_cast<size_t>(capacity * dim) + 64),
      packed_values(static_cast<size_t>(capacity * width) + 64);
  for (const auto& [first, count] : {std::pair{int64_t{0}, kOwn}, {kOwn, kKeys - kOwn}}) {
    const auto place = static_cast<size_t>(first * dim);
    how.pack_keys({keys.From(place), dim, count, dim, first, capacity}, packed_keys.data());
    how.pack_values({values.From(place), dim, count, dim, first, capacity}, packed_values.data());
  }
  const auto run = [&](int64_t first, int64_t rows) {
    Numbers out(kernels.number, static_cast<size_t>(rows * dim));
    std::vector<float> scratch(kAttentionScratch + 64);
    how.attend({queries.From(static_cast<size_t>(first * dim)), dim, rows, dim, packed_keys.data(),
                packed_values.data(), kKeys, kScale, out.From(0), dim, scratch.data()});
    return out;
  };
  Doubles want;
  for (int64_t query = 0; query < kQueries; ++query) {
    Doubles weights, sums(dim);
    double all = 0;
    for (int64_t key = 0; key < kKeys; ++key) {
      double score = 0;
      for (int64_t i = 0; i < dim; ++i)
        score += queries.At(static_cast<size_t>(query * dim + i)) *
                 keys.At(static_cast<size_t>(key * dim + i));
      weights.push_back(std::exp(score * kScale));
      all += weights.back();
    }
    for (int64_t key = 0; key < kKeys; ++key) {
      for (int64_t i = 0; i < dim; ++i)
        sums[static_cast<size_t>(i)] +=
            weights[static_cast<size_t>(key)] / all * values.At(static_cast<size_t>(key * dim + i));
    }
    want.insert(want.end(), sums.begin(), sums.end());
  }
  const auto all = run(0, kQueries), some = run(5, 12);
  return {name, ErrorOf(all, want), SameBits(all, 5 * dim, some, 12 * dim)};
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
    DepthwiseArgs args{};
    args.in = in.From(0);
    args.centre = centre.data();
    args.spread = spread.data();
    args.taps = taps.data();
    args.bias = bias.data();
    args.residual = residual.From(static_cast<size_t>(first * kChannels));
    args.out = out.From(0);
    args.out_centre = out_centre.data();
    args.out_spread = out_spread.data();
    args.height = kHeight;
    args.held = kHeight;
    args.width = kWidth;
    args.channels = kChannels;
    args.first = first;
    args.end = end;
    args.epsilon = 1e-6f;
    kernels.depthwise(args);
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
  auto answers = AskProducts(kernels);
  answers.push_back(AskAttention("attention", kernels, kernels.attention, 64));
  answers.push_back(AskAttention("attention-rough", kernels, kernels.rough_attention, 64));
  answers.push_back(AskAttention("attention-narrow", kernels, kernels.attention, 50));
  answers.push_back(AskAttention("attention-rough-narrow", kernels, kernels.rough_attention, 50));
  answers.push_back(AskDepthwise(kernels));
  answers.push_back(AskModulate(kernels));
  answers.push_back(AskStatistics(kernels));
  return answers;
}

}  // namespace wuerstchen::testing
