#include "runtime/blocks/product.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "runtime/blocks/tasks.h"
#include "runtime/error.h"
#include "runtime/numbers.h"
#include "runtime/walk.h"

namespace wuerstchen::runtime::blocks {
namespace {

// A part of a weight is read by all blocks of rows before the next: it stays in the last cache.
using kernels::kPartColumns;
constexpr int64_t kFewestColumns = 256;   // fewer do not pay for copying the rows once more
constexpr int64_t kFewestOfMany = 64;     // but idle threads cost more
constexpr int64_t kSummedColumns = 1024;  // of a task that only adds

kernels::Format FormatOf(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return kernels::Format::kFloat32;
    case at::kBFloat16:
      return kernels::Format::kBFloat16;
    case at::kHalf:
      return kernels::Format::kFloat16;
    default:
      throw Error(ErrorCode::kInternal, "Expected floating weights. This is a bug.");
  }
}

// Some columns of a larger weight are as good as a whole one.
kernels::Weight AsStored(const at::Tensor& weight) {
  return {weight.const_data_ptr(), FormatOf(weight.scalar_type()), weight.stride(0)};
}

using kernels::Format;

// What a weight is packed as; in full where its depth does not fit the wanted one.
Format FormatOf(const kernels::Kernels& kernels, Packing packing, int64_t depth) {
  if (packing == Packing::kBytes && kernels.pack_bytes != nullptr && depth % 4 == 0)
    return Format::kBytes;
  if (packing == Packing::kInt8 && kernels.quantise != nullptr && depth % 2 == 0)
    return Format::kQuantised;
  return Format::kPacked;
}

int64_t PackedBytes(const kernels::Kernels& kernels, Format format, int64_t columns,
                    int64_t depth) {
  if (format == Format::kBytes) return kernels::BytesOf(columns, depth);
  if (format == Format::kQuantised) return kernels::QuantisedBytes(columns, depth);
  return columns * depth * kernels.number_bytes();
}

auto PackerOf(const kernels::Kernels& kernels, Format format) {
  if (format == Format::kBytes) return kernels.pack_bytes;
  return format == Format::kQuantised ? kernels.quantise : kernels.pack;
}

struct AlignedDelete {
  void operator()(float* memory) const { ::operator delete[](memory, std::align_val_t{64}); }
};

}  // namespace

float* Scratch(int64_t numbers) {
  thread_local std::unique_ptr<float[], AlignedDelete> memory;
  thread_local int64_t size = 0;
  if (size < numbers) {
    memory.reset(
        static_cast<float*>(::operator new[](numbers * sizeof(float), std::align_val_t{64})));
    size = numbers;
  }
  return memory.get();
}

float* Arena::Get(Slot slot, int64_t numbers) {
  auto& held = held_[slot];
  if (!held.defined() || held.numel() < numbers) {
    held.reset();  // first: not both at once
    held = at::empty({numbers}, at::kFloat);
  }
  return held.mutable_data_ptr<float>();
}

void* Arena::Get(Slot slot, int64_t numbers, const kernels::Kernels& kernels) {
  return GetBytes(slot, numbers * kernels.number_bytes());
}

char* Arena::GetBytes(Slot slot, int64_t bytes) {
  return reinterpret_cast<char*>(Get(slot, DivideUp(bytes, static_cast<int64_t>(sizeof(float)))));
}

int64_t Arena::bytes() const {
  int64_t sum = 0;
  for (const auto& held : held_) sum += held.defined() ? static_cast<int64_t>(held.nbytes()) : 0;
  return sum;
}

void Arena::Clear() {
  for (auto& held : held_) held.reset();
}

at::ScalarType TypeOf(const kernels::Kernels& kernels) {
  return kernels.number == kernels::Number::kFloat32 ? at::kFloat : at::kBFloat16;
}

// Numbers of half the width are multiplied in pairs.
bool Matrix::Fits(const kernels::Kernels& kernels, const at::Tensor& weight) {
  const int64_t group = kernels.number == kernels::Number::kFloat32 ? 1 : 2;
  return weight.size(0) % kernels.panel == 0 && weight.size(1) % group == 0;
}

Matrix::Matrix(const kernels::Kernels& kernels, const std::vector<at::Tensor>& weights,
               Packing packing)
    : depth_(weights.front().size(1)) {
  for (const auto& weight : weights) columns_ += weight.size(0);
  if (packing == Packing::kNone) {
    held_ = weights.front();
    weight_ = AsStored(held_);
    return;
  }
  const auto format = FormatOf(kernels, packing, depth_);
  const auto pack = PackerOf(kernels, format);
  held_ = at::empty({PackedBytes(kernels, format, columns_, depth_)}, at::kByte);
  void* const packed = held_.mutable_data_ptr();
  weight_ = {packed, format, 0};
  int64_t first_column = 0;
  for (const auto& weight : weights) {
    const int64_t panels = weight.size(0) / kernels.panel;
    ForEachTask(panels, WorkOn(columns_ * depth_, 10), [&](int64_t panel) {
      const int64_t column = panel * kernels.panel;
      const kernels::PackedPart part{
          .weight = AsStored(weight.narrow(0, column, kernels.panel)),
          .columns = kernels.panel,
          .depth = depth_,
          .first_column = first_column + column,
          .all_columns = columns_,
      };
      pack(part, packed);
    });
    first_column += weight.size(0);
  }
}

RowBlocks CutRows(const kernels::Kernels& kernels, int64_t pixels, int64_t most) {
  most = most / kernels.tile * kernels.tile;
  const int64_t rows =
      std::min(most, RoundUp(DivideUp(pixels, DivideUp(pixels, most)), kernels.tile));
  return {DivideUp(pixels, rows), rows};
}

bool Matrix::packed() const {
  return weight_.format == Format::kPacked || weight_.format == Format::kQuantised ||
         weight_.format == Format::kBytes;
}

int64_t Matrix::packed_bytes() const {
  return held_.defined() && packed() ? static_cast<int64_t>(held_.nbytes()) : 0;
}

void Matrix::Touch() const {
  if (!packed()) Walk::Use(held_);
}

void Compute(const kernels::Kernels& kernels, const Product& product) {
  for (const auto& left : product.left) left.right->Touch();
  const int64_t columns = product.left.front().right->columns();
  const int64_t panels = columns / kernels.panel;
  // Sums are taken by strips, so that they do not depend on how many of them make a block.
  const auto strips = CutRows(kernels, product.pixels, kernels::kStripRows);
  // A weight that is not packed is brought into shape for every block anew: two strips share it.
  const int64_t together = product.left.front().right->packed() ? 1 : 2;
  const int64_t per_image = DivideUp(strips.count, together), block_rows = together * strips.rows;
  const int64_t blocks = product.images * per_image;
  const int64_t wanted =
      std::max(DivideUp(columns, kPartColumns), DivideUp(kTasksPerThread * Threads(), blocks));
  const bool idle = blocks * DivideUp(columns, kFewestColumns) < Threads();
  const int64_t most = DivideUp(columns, idle ? kFewestOfMany : kFewestColumns);
  const int64_t parts = std::clamp<int64_t>(wanted, 1, most);
  at::Tensor energies;
  float* partial = nullptr;
  if (product.energy != nullptr) {
    energies = at::empty({product.images * strips.count, columns}, at::kFloat).zero_();
    partial = energies.mutable_data_ptr<float>();
  }
  int64_t all_depth = 0;
  for (const auto& left : product.left) all_depth += left.right->depth();
  const double work = WorkOn(product.images * product.pixels * columns, 2.0 * all_depth);
  ForEachTask(blocks * parts, work, [&](int64_t task) {
    const int64_t part = task / blocks, block = task % blocks;
    const int64_t image = block / per_image, place = block % per_image;
    const int64_t start = place * block_rows, row = image * product.pixels + start;
    std::vector<kernels::Segment> segments;
    for (const auto& left : product.left) {
      const int64_t depth = left.right->depth();
      segments.push_back({
          .rows = kernels.At(left.rows, row * left.stride),
          .stride = left.stride,
          .depth = depth,
          .centre = left.centre == nullptr ? nullptr : left.centre + row,
          .spread = left.spread == nullptr ? nullptr : left.spread + row,
          .factor = left.factor == nullptr ? nullptr : left.factor + image * depth,
          .weight = left.right->weight(),
      });
    }
    const int64_t first = row * product.out_stride;
    kernels.product({
        .segments = segments.data(),
        .segment_count = static_cast<int>(segments.size()),
        .rows = std::min(block_rows, product.pixels - start),
        .strip_rows = strips.rows,
        .columns = columns,
        .first_panel = panels * part / parts,
        .end_panel = panels * (part + 1) / parts,
        .out = kernels.At(product.out, first),
        .out_stride = product.out_stride,
        .bias = product.bias,
        .residual = kernels.At(product.residual, first),
        .gelu = product.gelu,
        .energy = partial == nullptr
                      ? nullptr
                      : partial + (image * strips.count + place * together) * columns,
        .scratch = Scratch(kernels.product_scratch),
    });
  });
  if (partial == nullptr) return;
  const int64_t chunks = DivideUp(columns, kSummedColumns);
  const double adding = WorkOn(product.images * strips.count * columns, 10);
  ForEachTask(product.images * chunks, adding, [&](int64_t task) {
    const int64_t image = task / chunks, first = task % chunks * kSummedColumns;
    const int64_t count = std::min(kSummedColumns, columns - first);
    float* const sum = product.energy + image * columns + first;
    std::fill_n(sum, count, 0.0f);
    for (int64_t strip = 0; strip < strips.count; ++strip) {
      const float* const row = partial + (image * strips.count + strip) * columns + first;
      for (int64_t column = 0; column < count; ++column) sum[column] += row[column];
    }
    for (int64_t column = 0; column < count; ++column) sum[column] = std::sqrt(sum[column]);
  });
}

}  // namespace wuerstchen::runtime::blocks
