// The CPU's own tiles and its instructions for them, or plain C++ in their place.
#ifndef CPP_RUNTIME_KERNELS_AMX_TILES_H_
#define CPP_RUNTIME_KERNELS_AMX_TILES_H_

#include "runtime/kernels/numbers.h"

namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE {

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

}  // namespace wuerstchen::runtime::kernels::KERNEL_NAMESPACE

#endif  // CPP_RUNTIME_KERNELS_AMX_TILES_H_
