// Products of maps with weights, on all threads of the device. Belongs to the device's thread.
#ifndef CPP_RUNTIME_BLOCKS_PRODUCT_H_
#define CPP_RUNTIME_BLOCKS_PRODUCT_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "runtime/blocks/matrix.h"
#include "runtime/kernels/kernels.h"
#include "runtime/runtime.h"

namespace wuerstchen::runtime::blocks {

// A part of the left side: a row for each pixel of each image.
struct Left {
  const void* rows;
  int64_t stride;
  const float* centre = nullptr;  // of each row
  const float* spread = nullptr;
  const float* factor = nullptr;  // (images, depth)
  const Matrix* right;
};

// out = residual + activation(left * right + bias), for `images` times `pixels` rows. Maps are of
// the kernels' numbers.
struct Product {
  std::vector<Left> left;
  int64_t images;
  int64_t pixels;
  void* out;
  int64_t out_stride;
  int64_t skipped = 0;  // columns in front, whole panels, which are left as they are
  const float* bias = nullptr;
  const void* residual = nullptr;  // laid out as `out`
  bool gelu = false;
  float* energy = nullptr;  // (images, columns): the root of the sum of the results' squares
};

void Compute(const kernels::Kernels& kernels, const Product& product);

// How an image's rows are cut into chunks of whole tiles: by their number alone, never by who
// shares the batch.
struct RowChunks {
  int64_t count;
  int64_t rows;  // of each but perhaps the last
};
RowChunks CutRows(const kernels::Kernels& kernels, int64_t pixels, int64_t most);

// This thread's own scratch memory, aligned; what it held before is lost.
float* Scratch(int64_t numbers);

// Memory that the blocks of a graph share, one use after the other: it grows and stays.
class Arena {
 public:
  enum Slot {
    kHidden,
    kEnergy,
    kFactor,
    kConvolved,
    kStatistics,
    kKeys,
    kValues,
    kAttended,
    kSlots
  };
  float* Get(Slot slot, int64_t numbers);
  // Room for so many of the kernels' numbers.
  void* Get(Slot slot, int64_t numbers, const kernels::Kernels& kernels);
  char* GetBytes(Slot slot, int64_t bytes);
  int64_t bytes() const;
  void Clear();

 private:
  at::Tensor held_[kSlots];
};

}  // namespace wuerstchen::runtime::blocks

#endif  // CPP_RUNTIME_BLOCKS_PRODUCT_H_
