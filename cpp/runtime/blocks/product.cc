#include "runtime/blocks/product.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>

#include "runtime/blocks/tasks.h"
#include "runtime/numbers.h"

namespace wuerstchen::runtime::blocks {
namespace {

// A part of a weight is read by all blocks of rows before the next: it stays in the last cache.
using kernels::kPartColumns;
constexpr int64_t kFewestColumns = 256;   // fewer do not pay for copying the rows once more
constexpr int64_t kFewestOfMany = 64;     // but idle threads cost more
constexpr int64_t kSummedColumns = 1024;  // of a task that only adds

using kernels::Format;

}  // namespace

RowChunks CutRows(const kernels::Kernels& kernels, int64_t pixels, int64_t most) {
  most = most / kernels.tile * kernels.tile;
  const int64_t rows =
      std::min(most, RoundUp(DivideUp(pixels, DivideUp(pixels, most)), kernels.tile));
  return {DivideUp(pixels, rows), rows};
}

namespace {

// How a product is cut: into chunks of whole strips of an image's rows, or of whole images that are
// one strip each, and parts of the columns.
struct Cut {
  Cut(const kernels::Kernels& kernels, const Product& product)
      // Sums are taken by strips, so that they do not depend on how many of them make a chunk.
      : strips(CutRows(kernels, product.pixels, kernels::kStripRows)) {
    if (strips.count == 1) strips.rows = product.pixels;
    // A weight that is not packed is brought into shape for every chunk: strips share it.
    const bool packed = product.left.front().right->packed();
    const int64_t most_strips = packed ? 1 : kernels::kChunkRows / strips.rows;
    together = std::min(most_strips, strips.count);
    images = strips.count == 1 ? std::min(most_strips, product.images) : 1;
    per_image = DivideUp(strips.count, together);
    chunk_rows = images * together * strips.rows;
    chunks = DivideUp(product.images, images) * per_image;
    const int64_t columns = product.left.front().right->columns() - product.skipped;
    const int64_t wanted =
        std::max(DivideUp(columns, kPartColumns), DivideUp(kTasksPerThread * Threads(), chunks));
    const bool idle = chunks * DivideUp(columns, kFewestColumns) < Threads();
    const int64_t most = DivideUp(columns, idle ? kFewestOfMany : kFewestColumns);
    parts = std::clamp<int64_t>(wanted, 1, most);
  }

  RowChunks strips;      // of an image
  int64_t together = 1;  // strips of an image in a chunk
  int64_t images = 1;    // in a chunk
  int64_t per_image = 0, chunk_rows = 0, chunks = 0;
  int64_t parts = 0;
};

// A chunk of rows of a product.
struct Rows {
  Rows(const Product& product, const Cut& cut, int64_t chunk)
      : image(chunk / cut.per_image * cut.images),
        strip(chunk % cut.per_image * cut.together),
        first(image * product.pixels + strip * cut.strips.rows),
        count(
            std::min(cut.chunk_rows, std::min(cut.images, product.images - image) * product.pixels -
                                         strip * cut.strips.rows)) {}

  int64_t image;  // the first
  int64_t strip;  // of the image, the first
  int64_t first;  // among all rows
  int64_t count;
};

kernels::Segment SegmentOf(const kernels::Kernels& kernels, const Left& left, const Rows& rows,
                           int64_t pixels) {
  const int64_t depth = left.right->depth();
  return {
      .rows = kernels.At(left.rows, rows.first * left.stride),
      .stride = left.stride,
      .depth = depth,
      .centre = left.centre == nullptr ? nullptr : left.centre + rows.first,
      .spread = left.spread == nullptr ? nullptr : left.spread + rows.first,
      .factor = left.factor == nullptr ? nullptr : left.factor + rows.image * depth,
      .weight = left.right->weight(),
      .factor_rows = pixels,
  };
}

// The rows of a product in bytes, once for all of its columns; nothing where no weight wants them.
class RoundedRows {
 public:
  RoundedRows(const kernels::Kernels& kernels, const Product& product, const Cut& cut) {
    bool wanted = false;
    for (const auto& left : product.left) {
      wanted |= left.right->weight().format == Format::kBytes;
      for (int64_t start = 0; start < left.right->depth(); start += kernels::kPassDepth)
        passes_.push_back({&left, start});
    }
    if (!wanted) return;
    chunk_bytes_ = kernels::RoundedBytes(cut.chunk_rows) * static_cast<int64_t>(passes_.size());
    held_ = at::empty({cut.chunks * chunk_bytes_}, at::kByte);
    const auto count = static_cast<int64_t>(passes_.size());
    const int64_t numbers = cut.chunks * cut.chunk_rows * count * kernels::kPassDepth;
    ForEachTask(cut.chunks * count, WorkOn(numbers, kRounding), [&](int64_t task) {
      const int64_t chunk = task / count, index = task % count;
      const auto& [left, start] = passes_[index];
      if (left->right->weight().format != Format::kBytes) return;
      const Rows rows(product, cut, chunk);
      kernels.round_rows(SegmentOf(kernels, *left, rows, product.pixels), rows.count, start,
                         Scratch(kernels::kPassDepth),
                         Of(chunk) + index * kernels::RoundedBytes(rows.count));
    });
  }

  // Null where there are none.
  char* Of(int64_t chunk) const {
    return held_.defined() ? static_cast<char*>(held_.mutable_data_ptr()) + chunk * chunk_bytes_
                           : nullptr;
  }

 private:
  struct Pass {
    const Left* left;
    int64_t start;
  };
  static constexpr double kRounding = 20;  // operations on a number

  std::vector<Pass> passes_;
  int64_t chunk_bytes_ = 0;
  at::Tensor held_;
};

// energies: (images * strips, columns), the sums of squares of each strip.
void AddEnergies(const Product& product, const Cut& cut, const float* energies) {
  const int64_t columns = product.left.front().right->columns();
  const int64_t parts = DivideUp(columns, kSummedColumns);
  const double adding = WorkOn(product.images * cut.strips.count * columns, 10);
  ForEachTask(product.images * parts, adding, [&](int64_t task) {
    const int64_t image = task / parts, first = task % parts * kSummedColumns;
    const int64_t count = std::min(kSummedColumns, columns - first);
    float* const sum = product.energy + image * columns + first;
    std::fill_n(sum, count, 0.0f);
    for (int64_t strip = 0; strip < cut.strips.count; ++strip) {
      const float* const row = energies + (image * cut.strips.count + strip) * columns + first;
      for (int64_t column = 0; column < count; ++column) sum[column] += row[column];
    }
    for (int64_t column = 0; column < count; ++column) sum[column] = std::sqrt(sum[column]);
  });
}

}  // namespace

void Compute(const kernels::Kernels& kernels, const Product& product) {
  for (const auto& left : product.left) left.right->Touch();
  const int64_t columns = product.left.front().right->columns();
  const int64_t skipped = product.skipped / kernels.panel;
  const int64_t panels = columns / kernels.panel - skipped;
  const Cut cut(kernels, product);
  const RoundedRows rounded(kernels, product, cut);
  at::Tensor energies;
  float* partial = nullptr;
  if (product.energy != nullptr) {
    energies = at::empty({product.images * cut.strips.count, columns}, at::kFloat).zero_();
    partial = energies.mutable_data_ptr<float>();
  }
  int64_t all_depth = 0;
  for (const auto& left : product.left) all_depth += left.right->depth();
  const double work = WorkOn(product.images * product.pixels * columns, 2.0 * all_depth);
  ForEachTask(cut.chunks * cut.parts, work, [&](int64_t task) {
    const int64_t part = task / cut.chunks, chunk = task % cut.chunks;
    const Rows rows(product, cut, chunk);
    std::vector<kernels::Segment> segments;
    for (const auto& left : product.left)
      segments.push_back(SegmentOf(kernels, left, rows, product.pixels));
    const int64_t first = rows.first * product.out_stride;
    const int64_t strip = rows.image * cut.strips.count + rows.strip;
    kernels.product({
        .segments = segments.data(),
        .segment_count = static_cast<int>(segments.size()),
        .rows = rows.count,
        .strip_rows = cut.strips.rows,
        .columns = columns,
        .first_panel = skipped + panels * part / cut.parts,
        .end_panel = skipped + panels * (part + 1) / cut.parts,
        .rounded = rounded.Of(chunk),
        .out = kernels.At(product.out, first),
        .out_stride = product.out_stride,
        .bias = product.bias,
        .residual = kernels.At(product.residual, first),
        .gelu = product.gelu,
        .energy = partial == nullptr ? nullptr : partial + strip * columns,
        .scratch = Scratch(kernels.product_scratch),
    });
  });
  if (partial != nullptr) AddEnergies(product, cut, partial);
}

}  // namespace wuerstchen::runtime::blocks
