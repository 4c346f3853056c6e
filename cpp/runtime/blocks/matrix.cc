#include "runtime/blocks/matrix.h"

#include <ATen/ops/empty.h>

#include <utility>

#include "runtime/blocks/tasks.h"
#include "runtime/error.h"
#include "runtime/walk.h"

namespace wuerstchen::runtime::blocks {
namespace {

using kernels::Format;

Format FormatOf(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return Format::kFloat32;
    case at::kBFloat16:
      return Format::kBFloat16;
    case at::kHalf:
      return Format::kFloat16;
    default:
      throw Error(ErrorCode::kInternal, "Expected floating weights. This is a bug.");
  }
}

// Some columns of a larger weight are as good as a whole one.
kernels::Weight AsStored(const at::Tensor& weight) {
  return {weight.const_data_ptr(), FormatOf(weight.scalar_type()), weight.stride(0)};
}

// What a weight is packed as; in full where its depth does not fit the wanted one.
Format FormatOf(const kernels::Kernels& kernels, Packing packing, int64_t depth) {
  if (packing == Packing::kBytes && kernels.pack_bytes != nullptr && depth % 4 == 0)
    return Format::kBytes;
  if (packing == Packing::kInt8 && kernels.quantise != nullptr && depth % 2 == 0)
    return Format::kQuantised;
  return Format::kPacked;
}

auto PackerOf(const kernels::Kernels& kernels, Format format) {
  if (format == Format::kBytes) return kernels.pack_bytes;
  return format == Format::kQuantised ? kernels.quantise : kernels.pack;
}

}  // namespace

at::ScalarType TypeOf(const kernels::Kernels& kernels) {
  return kernels.number == kernels::Number::kFloat32 ? at::kFloat : at::kBFloat16;
}

// Numbers of half the width are multiplied in pairs.
bool Matrix::Fits(const kernels::Kernels& kernels, const at::Tensor& weight) {
  const int64_t group = kernels.number == kernels::Number::kFloat32 ? 1 : 2;
  return weight.size(0) % kernels.panel == 0 && weight.size(1) % group == 0;
}

int64_t Matrix::BytesOf(const kernels::Kernels& kernels, Packing packing, int64_t columns,
                        int64_t depth) {
  const auto format = FormatOf(kernels, packing, depth);
  if (format == Format::kBytes) return kernels::BytesOf(columns, depth);
  if (format == Format::kQuantised) return kernels::QuantisedBytes(columns, depth);
  return columns * depth * kernels.number_bytes();
}

Matrix::Matrix(const kernels::Kernels& kernels, Packing packing, int64_t columns, int64_t depth,
               Held packed)
    : held_(std::move(packed)),
      weight_{held_.numbers.defined() ? held_.numbers.const_data_ptr() : nullptr,
              FormatOf(kernels, packing, depth), 0},
      columns_(columns),
      depth_(depth) {}

Matrix::Matrix(const kernels::Kernels& kernels, const std::vector<at::Tensor>& weights,
               Packing packing)
    : depth_(weights.front().size(1)) {
  for (const auto& weight : weights) columns_ += weight.size(0);
  if (packing == Packing::kNone) {
    held_.numbers = weights.front();
    weight_ = AsStored(held_.numbers);
    return;
  }
  const auto format = FormatOf(kernels, packing, depth_);
  const auto pack = PackerOf(kernels, format);
  held_.numbers = at::empty({BytesOf(kernels, packing, columns_, depth_)}, at::kByte);
  void* const packed = held_.numbers.mutable_data_ptr();
  weight_ = {packed, format, 0};
  int64_t first_column = 0;
  for (const auto& weight : weights) {
    const int64_t panels = weight.size(0) / kernels.panel;
    ForEachTask(panels, WorkOn(columns_ * depth_, 10), [&](int64_t panel) {
      const int64_t column = panel * kernels.panel;
      const kernels::PackArgs part{
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

bool Matrix::packed() const {
  return weight_.format == Format::kPacked || weight_.format == Format::kQuantised ||
         weight_.format == Format::kBytes;
}

int64_t Matrix::packed_bytes() const {
  const bool is_private = held_.numbers.defined() && packed() && !held_.mapped;
  return is_private ? static_cast<int64_t>(held_.numbers.nbytes()) : 0;
}

void Matrix::Touch() const {
  if (!packed() || held_.mapped) Walk::Use(held_.numbers);
}

}  // namespace wuerstchen::runtime::blocks
