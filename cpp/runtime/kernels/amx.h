// Products of bfloat16 and of bytes in the CPU's own tiles: eight registers of 16 rows of 64 bytes,
// of which it multiplies one with another at once. Four of them hold the sums of a square, which is
// 32 rows of a panel; what meets there lies in memory as elsewhere.
#ifndef CPP_RUNTIME_KERNELS_AMX_H_
#define CPP_RUNTIME_KERNELS_AMX_H_

#include "runtime/kernels/bytes.h"
#include "runtime/kernels/pairs.h"
#include "runtime/kernels/tile.h"

namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE {

#if KERNEL_AMX

constexpr int64_t kTileRows = 16;
constexpr int64_t kTileBytes = 64;  // of a row
constexpr int64_t kTileDepth = kTileBytes / static_cast<int64_t>(sizeof(BFloat16));
constexpr int64_t kSquareRows = 2 * kTileRows;
static_assert(kPanel * sizeof(float) == 2 * kTileBytes, "a square is four tiles");

// The numbers of the tiles: sums of the upper and lower rows and the left and right columns, rows,
// and columns.
enum { kUpperLeft, kUpperRight, kLowerLeft, kLowerRight, kUpper, kLower, kLeft, kRight, kTiles };

// What the CPU is told of its tiles; its layout is the CPU's.
struct alignas(64) TileShapes {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};
static_assert(sizeof(TileShapes) == 64);

// For squares of so many rows.
KERNEL_INLINE TileShapes ShapesFor(int64_t rows) {
  const auto upper = static_cast<uint8_t>(rows < kTileRows ? rows : kTileRows);
  const auto lower = static_cast<uint8_t>(rows < kTileRows ? 0 : rows - kTileRows);
  TileShapes shapes;
  for (int tile = 0; tile < kTiles; ++tile) {
    const bool of_lower = tile == kLowerLeft || tile == kLowerRight || tile == kLower;
    const bool of_panel = tile == kLeft || tile == kRight;
    shapes.rows[tile] = of_panel ? kTileRows : of_lower ? lower : upper;
    shapes.row_bytes[tile] = shapes.rows[tile] == 0 ? 0 : kTileBytes;
  }
  return shapes;
}

#if KERNEL_AMX_EMULATED

// As Intel's manual says it, for CPUs without: tests run this.
struct EmulatedTiles {
  TileShapes shapes;
  char bytes[kTiles][kTileRows][kTileBytes];
};
static thread_local EmulatedTiles emulated;

KERNEL_INLINE void SetTiles(const TileShapes& shapes) {
  std::memset(emulated.bytes, 0, sizeof emulated.bytes);
  emulated.shapes = shapes;
}

KERNEL_INLINE void ReleaseTiles() {
  emulated.shapes = {};
}

// As the CPU does with an instruction that names a tile which was given no shape.
template <int kTile>
KERNEL_INLINE void Demand() {
  if (emulated.shapes.rows[kTile] == 0) __builtin_trap();
}

template <int kTile>
KERNEL_INLINE void ZeroTile() {
  Demand<kTile>();
  std::memset(emulated.bytes[kTile], 0, sizeof emulated.bytes[kTile]);
}

template <int kTile>
KERNEL_INLINE void LoadTile(const void* from, int64_t stride) {
  ZeroTile<kTile>();
  for (int row = 0; row < emulated.shapes.rows[kTile]; ++row) {
    std::memcpy(emulated.bytes[kTile][row], static_cast<const char*>(from) + row * stride,
                emulated.shapes.row_bytes[kTile]);
  }
}

template <int kTile>
KERNEL_INLINE void StoreTile(void* to, int64_t stride) {
  Demand<kTile>();
  for (int row = 0; row < emulated.shapes.rows[kTile]; ++row) {
    std::memcpy(static_cast<char*>(to) + row * stride, emulated.bytes[kTile][row],
                emulated.shapes.row_bytes[kTile]);
  }
}

template <int kSums, int kRows, int kColumns>
KERNEL_INLINE void DemandFitting() {
  const auto& [palette, start_row, reserved, bytes, rows] = emulated.shapes;
  const bool fitting = rows[kSums] > 0 && rows[kSums] == rows[kRows] &&
                       bytes[kSums] == bytes[kColumns] && rows[kColumns] * 4 == bytes[kRows];
  if (!fitting) __builtin_trap();
}

template <int kSums, int kRows, int kColumns>
void AddPairsOfTiles() {
  DemandFitting<kSums, kRows, kColumns>();
  for (int row = 0; row < emulated.shapes.rows[kSums]; ++row) {
    BFloat16 numbers[kTileDepth], panel[kTileRows][kTileDepth];
    float sums[kTileRows], odd[kTileRows] = {}, even[kTileRows] = {};
    std::memcpy(numbers, emulated.bytes[kRows][row], sizeof numbers);
    std::memcpy(panel, emulated.bytes[kColumns], sizeof panel);
    std::memcpy(sums, emulated.bytes[kSums][row], sizeof sums);
    for (int pair = 0; pair < kTileRows; ++pair) {
      for (int column = 0; column < kTileRows; ++column) {
        even[column] += Widen(numbers[2 * pair]) * Widen(panel[pair][2 * column]);
        odd[column] += Widen(numbers[2 * pair + 1]) * Widen(panel[pair][2 * column + 1]);
      }
    }
    for (int column = 0; column < kTileRows; ++column) sums[column] += even[column] + odd[column];
    std::memcpy(emulated.bytes[kSums][row], sums, sizeof sums);
  }
}

template <int kSums, int kRows, int kColumns>
void AddFoursOfTiles() {
  DemandFitting<kSums, kRows, kColumns>();
  for (int row = 0; row < emulated.shapes.rows[kSums]; ++row) {
    uint8_t numbers[kTileBytes];
    int8_t panel[kTileRows][kTileBytes];
    int32_t sums[kTileRows];
    std::memcpy(numbers, emulated.bytes[kRows][row], sizeof numbers);
    std::memcpy(panel, emulated.bytes[kColumns], sizeof panel);
    std::memcpy(sums, emulated.bytes[kSums][row], sizeof sums);
    for (int i = 0; i < kTileBytes; ++i) {
      for (int column = 0; column < kTileRows; ++column)
        sums[column] += numbers[i] * panel[i / 4][4 * column + i % 4];
    }
    std::memcpy(emulated.bytes[kSums][row], sums, sizeof sums);
  }
}

#else

// Not the compiler's own names for these: GCC's take no number that a template has, and do not say
// that they read memory.
KERNEL_INLINE void SetTiles(const TileShapes& shapes) {
  __asm__ volatile("ldtilecfg %0" ::"m"(shapes));
}

KERNEL_INLINE void ReleaseTiles() {
  __asm__ volatile("tilerelease" ::: "memory");
}

template <int kTile>
KERNEL_INLINE void ZeroTile() {
  __asm__ volatile("tilezero %%tmm%c0" ::"i"(kTile));
}

template <int kTile>
KERNEL_INLINE void LoadTile(const void* from, int64_t stride) {
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride), "i"(kTile) : "memory");
}

template <int kTile>
KERNEL_INLINE void StoreTile(void* to, int64_t stride) {
  __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(stride), "i"(kTile) : "memory");
}

template <int kSums, int kRows, int kColumns>
KERNEL_INLINE void AddPairsOfTiles() {
  __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSums), "i"(kRows),
                   "i"(kColumns));
}

template <int kSums, int kRows, int kColumns>
KERNEL_INLINE void AddFoursOfTiles() {
  __asm__ volatile("tdpbusd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSums), "i"(kRows), "i"(kColumns));
}

#endif

// What a number of 32 bits of a tile is.
struct Pairs {
  template <int kSums, int kRows, int kColumns>
  static KERNEL_MEMBER void Add() {
    AddPairsOfTiles<kSums, kRows, kColumns>();
  }
};
struct Fours {
  template <int kSums, int kRows, int kColumns>
  static KERNEL_MEMBER void Add() {
    AddFoursOfTiles<kSums, kRows, kColumns>();
  }
};

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

template <bool kTwo>
KERNEL_INLINE void LoadSums(const float* from, int64_t stride) {
  const int64_t bytes = stride * static_cast<int64_t>(sizeof(float));
  LoadTile<kUpperLeft>(from, bytes);
  LoadTile<kUpperRight>(from + kLanes, bytes);
  if constexpr (kTwo) {
    LoadTile<kLowerLeft>(from + kTileRows * stride, bytes);
    LoadTile<kLowerRight>(from + kTileRows * stride + kLanes, bytes);
  }
}

template <bool kTwo, typename Sum>
KERNEL_INLINE void StoreSums(Sum* to, int64_t stride) {
  const int64_t bytes = stride * static_cast<int64_t>(sizeof(Sum));
  StoreTile<kUpperLeft>(to, bytes);
  StoreTile<kUpperRight>(to + kLanes, bytes);
  if constexpr (kTwo) {
    StoreTile<kLowerLeft>(to + kTileRows * stride, bytes);
    StoreTile<kLowerRight>(to + kTileRows * stride + kLanes, bytes);
  }
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

#else

class TileSession {};
constexpr int kPairTile = kTile;

#endif

}  // namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE

#endif  // CPP_RUNTIME_KERNELS_AMX_H_
