// Products of bfloat16 and of bytes in the CPU's own tiles: eight registers of 16 rows of 64 bytes,
// of which it multiplies one with another at once. Four of them hold the sums of a square, which is
// 32 rows of a panel; what meets there lies in memory as elsewhere.
#ifndef CPP_RUNTIME_KERNELS_AMX_H_
#define CPP_RUNTIME_KERNELS_AMX_H_

#include "runtime/kernels/bytes.h"
#include "runtime/kernels/pairs.h"
#include "runtime/kernels/tile.h"
#if KERNEL_AMX
#include "runtime/kernels/amx_tiles.h"
#endif

namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE {

#if KERNEL_AMX

// As long as one lives the tiles of this thread are ours, in the shape of whole squares. libtorch
// has uses for them as well and shapes them itself; unused they make the thread's switches shorter.
class TileSession {
 public:
  TileSession() { SetTiles(ShapesFor(kSquareRows)); }
  ~TileSession() { ReleaseTiles(); }
  TileSession(const TileSession&) = delete;
  TileSession& operator=(const TileSession&) = delete;
};

// sums += rows * panel, of as much depth as a tile holds. `stride`: bytes between rows.
template <typename Units, bool kTwo>
KERNEL_INLINE void AddSquare(const char* rows, int64_t stride, const char* panel) {
  LoadTile<kUpper>(rows, stride);
  LoadTile<kLeft>(panel, 2 * kTileBytes);
  LoadTile<kRight>(panel + kTileBytes, 2 * kTileBytes);
  Units::template Add<kUpperLeft, kUpper, kLeft>();
  Units::template Add<kUpperRight, kUpper, kRight>();
  if constexpr (kTwo) {
    LoadTile<kLower>(rows + kTileRows * stride, stride);
    Units::template Add<kLowerLeft, kLower, kLeft>();
    Units::template Add<kLowerRight, kLower, kRight>();
  }
}

// The same for what is left of a depth: zeros stand for the rest.
template <typename Units, bool kTwo>
void AddRest(int64_t count, const char* rows, int64_t stride, const char* panel, int64_t bytes) {
  alignas(64) char padded_rows[kSquareRows * kTileBytes] = {};
  alignas(64) char padded_panel[kTileBytes * kPanel] = {};
  for (int64_t row = 0; row < count; ++row)
    std::memcpy(padded_rows + row * kTileBytes, rows + row * stride, bytes);
  std::memcpy(padded_panel, panel, bytes * kPanel);
  AddSquare<Units, kTwo>(padded_rows, kTileBytes, padded_panel);
}

// sums += `count` rows * panel, so many bytes deep.
template <typename Units, bool kTwo>
KERNEL_INLINE void AddSquares(int64_t count, const void* rows, int64_t stride, const void* panel,
                              int64_t bytes) {
  const auto* const left = static_cast<const char*>(rows);
  const auto* const right = static_cast<const char*>(panel);
  const int64_t whole = bytes / kTileBytes * kTileBytes;
  for (int64_t i = 0; i < whole; i += kTileBytes)
    AddSquare<Units, kTwo>(left + i, stride, right + i * kPanel);
  if (whole < bytes) {
    AddRest<Units, kTwo>(count, left + whole, stride, right + whole * kPanel, bytes - whole);
  }
}

template <bool kTwo>
KERNEL_INLINE void ZeroSums() {
  ZeroTile<kUpperLeft>();
  ZeroTile<kUpperRight>();
  if constexpr (kTwo) {
    ZeroTile<kLowerLeft>();
    ZeroTile<kLowerRight>();
  }
}

// `act(place, bytes)` for each tile of sums and where it lies; `bytes` are those between rows.
template <bool kTwo, typename Number, typename Act>
KERNEL_INLINE void ForSums(Number* at, int64_t stride, const Act& act) {
  const int64_t bytes = stride * static_cast<int64_t>(sizeof(Number));
  act.template operator()<kUpperLeft>(at, bytes);
  act.template operator()<kUpperRight>(at + kLanes, bytes);
  if constexpr (kTwo) {
    act.template operator()<kLowerLeft>(at + kTileRows * stride, bytes);
    act.template operator()<kLowerRight>(at + kTileRows * stride + kLanes, bytes);
  }
}

template <bool kTwo>
KERNEL_INLINE void LoadSums(const float* from, int64_t stride) {
  ForSums<kTwo>(from, stride,
                []<int kTile>(const float* place, int64_t bytes)
                    __attribute__((always_inline)) { LoadTile<kTile>(place, bytes); });
}

template <bool kTwo, typename Sum>
KERNEL_INLINE void StoreSums(Sum* to, int64_t stride) {
  ForSums<kTwo>(to, stride,
                []<int kTile>(Sum* place, int64_t bytes)
                    __attribute__((always_inline)) { StoreTile<kTile>(place, bytes); });
}

// Runs `some(rows, first)` for rows [0, count), several at once.
template <typename Some>
KERNEL_INLINE void ForRows(int count, const Some& some) {
  constexpr int kAtOnce = 8;
  int row = 0;
  for (; row + kAtOnce <= count; row += kAtOnce) some.template operator()<kAtOnce>(row);
  for (; row < count; ++row) some.template operator()<1>(row);
}

// The product of 1 to 32 rows with one panel; the tiles have the shape for so many.
template <bool kTwo, bool kLast, int64_t kStride, typename Number>
void Square(int count, const PairOperands<kStride>& operands, const Sums& kept,
            Finish<Number> finish) {
  if (kept.begun) {
    LoadSums<kTwo>(kept.at, kept.stride);
  } else {
    ZeroSums<kTwo>();
  }
  const BFloat16* rows = operands.left;
  for (int index = 0; index < operands.count; ++index) {
    const auto [panel, depth] = operands.pieces[index];
    AddSquares<Pairs, kTwo>(count, rows, kStride * sizeof(BFloat16), panel,
                            depth * sizeof(BFloat16));
    rows += depth;
  }
  if constexpr (kLast) {
    alignas(64) float finished[kSquareRows * kPanel];
    StoreSums<kTwo>(finished, kPanel);
    ForRows(count, [&]<int Rows>(int row) __attribute__((always_inline)) {
      Vec sums[Rows][2];
      Start(sums, {finished + row * kPanel, kPanel, true});
      WriteTile(sums, finish);
      finish.SkipRows(Rows);
    });
  } else {
    StoreSums<kTwo>(kept.at, kept.stride);
  }
}

// The same of bytes.
template <bool kTwo, bool kLast, typename Number>
void Square(int count, ByteOperands operands, Sums kept, Finish<Number> finish) {
  ZeroSums<kTwo>();
  AddSquares<Fours, kTwo>(count, operands.left.bytes, kByteStride, operands.fours(),
                          operands.depth);
  alignas(64) int32_t exact[kSquareRows * kPanel];
  StoreSums<kTwo>(exact, kPanel);
  ForRows(count, [&]<int Rows>(int row) __attribute__((always_inline)) {
    IntVec of_pass[Rows][2];
    std::memcpy(of_pass, exact + row * kPanel, sizeof of_pass);
    Vec sums[Rows][2];
    Start(sums, kept);
    operands.Scale(of_pass, sums);
    if constexpr (kLast) {
      WriteTile(sums, finish);
      finish.SkipRows(Rows);
    } else {
      Keep(sums, kept);
    }
    operands.SkipRows(Rows);
    kept.at += Rows * kept.stride;
  });
}

// All rows of a chunk against one panel, in a TileSession. Every row has the same sums in whatever
// square it stands.
template <bool kLast, typename Operands, typename Number>
void StripOfSquares(int64_t rows, Operands operands, Sums kept, Finish<Number> finish) {
  for (; rows >= kSquareRows; rows -= kSquareRows) {
    Square<true, kLast>(kSquareRows, operands, kept, finish);
    if (operands.ahead != nullptr) operands.ahead->Ask();
    operands.SkipRows(kSquareRows);
    kept.at += kSquareRows * kept.stride;
    if constexpr (kLast) finish.SkipRows(kSquareRows);
  }
  if (rows == 0) return;
  SetTiles(ShapesFor(rows));
  if (rows > kTileRows) {
    Square<true, kLast>(static_cast<int>(rows), operands, kept, finish);
  } else {
    Square<false, kLast>(static_cast<int>(rows), operands, kept, finish);
  }
  SetTiles(ShapesFor(kSquareRows));
}

template <bool kLast, int64_t kStride, typename Number>
void Strip(int64_t rows, PairOperands<kStride> operands, Sums kept, Finish<Number> finish) {
  StripOfSquares<kLast>(rows, operands, kept, finish);
}

template <bool kLast, typename Number>
void Strip(int64_t rows, ByteOperands operands, Sums kept, Finish<Number> finish) {
  StripOfSquares<kLast>(rows, operands, kept, finish);
}

constexpr int kPairTile = kSquareRows;

// How often squares ask for what comes next.
KERNEL_INLINE int64_t SquareAsksOf(int64_t rows, int64_t) {
  return rows / kSquareRows;
}

#else

class TileSession {};
constexpr int kPairTile = kTile;

KERNEL_INLINE int64_t SquareAsksOf(int64_t rows, int64_t depth) {
  return AsksOf(rows, depth);
}

#endif

}  // namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE

#endif  // CPP_RUNTIME_KERNELS_AMX_H_
