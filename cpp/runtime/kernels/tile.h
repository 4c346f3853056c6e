// The heart of every product: a tile of kTile rows and one panel of columns stays in registers for
// a whole pass over the depth.
#ifndef CPP_RUNTIME_KERNELS_TILE_H_
#define CPP_RUNTIME_KERNELS_TILE_H_

#include "runtime/kernels/kernels.h"
#include "runtime/kernels/numbers.h"
#if KERNEL_ARM
#include "runtime/kernels/lanes.h"
#endif

namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE {

// What is done with a tile once its sums are complete. Pointers are to the tile's first column.
template <typename Number>
struct Finish {
  Number* out;
  int64_t stride;  // of `out` and `residual`
  const float* bias;
  const Number* residual;
  bool gelu;
  float* energy;

  KERNEL_MEMBER void SkipRows(int64_t rows) {
    out += rows * stride;
    if (residual != nullptr) residual += rows * stride;
  }
};

// Where the sums of a tile are kept between passes over the depth, and whether there are some.
struct Sums {
  float* at;
  int64_t stride;
  bool begun;
};

template <int Rows>
KERNEL_INLINE void Start(Vec (&sums)[Rows][2], const Sums& before) {
#pragma GCC unroll 16
  for (int row = 0; row < Rows; ++row) {
    sums[row][0] = before.begun ? Load(before.at + row * before.stride) : Vec{};
    sums[row][1] = before.begun ? Load(before.at + row * before.stride + kLanes) : Vec{};
  }
}

template <int Rows>
KERNEL_INLINE void Keep(const Vec (&sums)[Rows][2], const Sums& kept) {
#pragma GCC unroll 16
  for (int row = 0; row < Rows; ++row) {
    Store(kept.at + row * kept.stride, sums[row][0]);
    Store(kept.at + row * kept.stride + kLanes, sums[row][1]);
  }
}

// What of a weight comes next: far memory, which is read so fast that the CPU alone brings it too
// late. A little of it is asked for again and again, so that all of it is near when its time comes.
// Much at once would only make it wait.
class Ahead {
 public:
  Ahead() = default;  // nothing
  // A packed panel, with so many questions.
  Ahead(const void* panel, int64_t bytes, int64_t asks)
      : at_(static_cast<const char*>(panel)), left_(bytes), step_(StepOf(asks)) {}
  // Of a weight that is not packed numbers [start, start + depth) of the kPanel rows from `row` on.
  Ahead(const Weight& weight, int64_t row, int64_t start, int64_t depth, int64_t asks) {
    const int64_t bytes = weight.format == Format::kFloat32 ? 4 : 2;
    stride_ = weight.stride * bytes;
    at_ = static_cast<const char*>(weight.data) + row * stride_ + start * bytes;
    left_ = depth * bytes;
    step_ = StepOf(asks);
  }

  KERNEL_MEMBER void Ask() {
    for (const char* const end = at_ + (left_ < step_ ? left_ : step_); at_ < end;
         at_ += kLine, left_ -= kLine) {
      if (stride_ == 0) {
        __builtin_prefetch(at_, 0, 3);
        continue;
      }
      for (int64_t row = 0; row < kPanel; ++row) __builtin_prefetch(at_ + row * stride_, 0, 2);
    }
  }

 private:
  static constexpr int64_t kLine = 64;

  int64_t StepOf(int64_t asks) const { return (left_ / asks + kLine - 1) / kLine * kLine; }

  const char* at_ = nullptr;
  int64_t stride_ = 0;  // between rows; 0 if all of it lies together
  int64_t left_ = 0;    // bytes of each row
  int64_t step_ = 0;
};

// A tile asks again after so many numbers of the depth. Narrow vectors ask once, and of what is not
// packed alone: for the rest they do not wait.
constexpr bool kWide = kLanes >= 16;
constexpr int64_t kAskDepth = kWide ? 64 : kPartColumns;

// How often the tiles of so many rows ask.
KERNEL_INLINE int64_t AsksOf(int64_t rows, int64_t depth) {
  return rows / kTile * ((depth + kAskDepth - 1) / kAskDepth);
}

// Asks, and gives the end of what is multiplied until the next time.
KERNEL_INLINE int64_t AskAt(Ahead* ahead, int64_t first, int64_t depth) {
  if (ahead != nullptr) ahead->Ask();
  return depth < first + kAskDepth ? depth : first + kAskDepth;
}

// The next panel of a part, of a weight that is not packed.
KERNEL_INLINE Ahead NextPanel(const ProductArgs& args, const Weight& weight, int64_t panel,
                              int64_t start, int64_t depth, int64_t asks) {
  if (panel == args.end_panel || asks < 2) return {};
  return {weight, panel * kPanel, start, depth, asks};
}

// Rows kPassDepth apart, and a panel: (depth, kPanel).
struct Operands {
  int64_t depth;
  const float* left;
  const float* right;
  Ahead* ahead = nullptr;

  // sums = before + left (Rows, depth) * right
  template <int Rows>
  KERNEL_MEMBER void Multiply(Vec (&sums)[Rows][2], const Sums& before) const {
    Start(sums, before);
#if KERNEL_ARM
    AskAt(ahead, 0, depth);
    MultiplyByLanes<AddProducts>(sums, left, kPassDepth * sizeof(float), right, depth);
#else
    const float* row_start = left;
    const float* panel = right;
    for (int64_t i = 0; i < depth;) {
      for (const int64_t end = AskAt(ahead, i, depth); i < end; ++i) {
        const Vec first = Load(panel), second = Load(panel + kLanes);
#pragma GCC unroll 16
        for (int row = 0; row < Rows; ++row) {
          const float factor = row_start[row * kPassDepth];
          sums[row][0] += factor * first;
          sums[row][1] += factor * second;
        }
        ++row_start;
        panel += kPanel;
      }
    }
#endif
  }
  KERNEL_MEMBER void SkipRows(int64_t rows) { left += rows * kPassDepth; }
};

// Writes the finished results of Rows rows and one panel.
template <int Rows, typename Number>
KERNEL_INLINE void WriteTile(Vec (&sums)[Rows][2], const Finish<Number>& finish) {
#pragma GCC unroll 2
  for (int half = 0; half < 2; ++half) {
    const Vec bias = finish.bias == nullptr ? Vec{} : Load(finish.bias + half * kLanes);
    Vec energy = finish.energy == nullptr ? Vec{} : Load(finish.energy + half * kLanes);
#pragma GCC unroll 16
    for (int row = 0; row < Rows; ++row) {
      Vec value = sums[row][half] + bias;
      if (finish.gelu) value = GeluFor<Number>(value);
      if (finish.energy != nullptr) energy += value * value;
      if (finish.residual != nullptr) {
        value += Load(finish.residual + row * finish.stride + half * kLanes);
      }
      Store(finish.out + row * finish.stride + half * kLanes, value);
    }
    if (finish.energy != nullptr) Store(finish.energy + half * kLanes, energy);
  }
}

// The product of Rows rows with one panel: into `out` if it is the last pass, else into `kept`.
template <int Rows, bool kLast, typename Operands, typename Number>
KERNEL_INLINE void Tile(const Operands& operands, const Sums& kept, const Finish<Number>& finish) {
  Vec sums[Rows][2];
  operands.template Multiply<Rows>(sums, kept);
  if constexpr (kLast) {
    WriteTile(sums, finish);
  } else {
    Keep(sums, kept);
  }
}

// The rows that are left over at the end of a chunk: 1 to Rows.
template <int Rows, bool kLast, typename Operands, typename Number>
void LastTile(int64_t rows, const Operands& operands, const Sums& kept,
              const Finish<Number>& finish) {
  if constexpr (Rows > 1) {
    if (rows < Rows) {
      LastTile<Rows - 1, kLast>(rows, operands, kept, finish);
      return;
    }
  }
  Tile<Rows, kLast>(operands, kept, finish);
}

// All rows of a chunk against one panel.
template <bool kLast, typename Operands, typename Number>
void Strip(int64_t rows, Operands operands, Sums kept, Finish<Number> finish) {
  for (; rows >= kTile; rows -= kTile) {
    Tile<kTile, kLast>(operands, kept, finish);
    operands.SkipRows(kTile);
    kept.at += kTile * kept.stride;
    if constexpr (kLast) finish.SkipRows(kTile);
  }
  if (rows > 0) LastTile<kTile - 1, kLast>(rows, operands, kept, finish);
}

// The same without a finish: the sums are all that is wanted.
template <typename Operands>
void StripOfSums(int64_t rows, const Operands& operands, const Sums& sums) {
  Strip<false>(rows, operands, sums, Finish<float>{});
}

}  // namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE

#endif  // CPP_RUNTIME_KERNELS_TILE_H_
