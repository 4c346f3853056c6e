// The layers of Stage A's decoder, each for some cells of the map that it reads. What they make
// lies in rows that are kept for the next layer only.
#ifndef CPP_RUNTIME_BLOCKS_DECODER_LAYER_H_
#define CPP_RUNTIME_BLOCKS_DECODER_LAYER_H_

#include <torch/csrc/jit/api/module.h>

#include <cstdint>
#include <memory>

#include "runtime/blocks/depthwise.h"
#include "runtime/runtime.h"

namespace wuerstchen::runtime::blocks {

// Some rows of a map between two layers, which are written and read.
struct RowsKept {
  void* cells;
  Statistics norm;  // null where the next layer does not norm
  int64_t height, width, channels, held;

  MapRows map() const { return {cells, norm, height, width, channels, held}; }
  int64_t Place(int64_t cell) const { return cell % (held * width); }
};

// Where pixels go: planes of the kernels' numbers from 0 to 1, or bytes with colours side by side.
struct Canvas {
  void* planes;    // (3, height, width)
  uint8_t* bytes;  // (height, width, 3), where there are no planes
  int64_t height, width;
};

class DecoderLayer {
 public:
  virtual ~DecoderLayer() = default;
  // Cells [first, end) of `in`, and what they become in `out`, or on the canvas. On this thread.
  virtual void Run(const MapRows& in, int64_t first, int64_t end, const RowsKept& out,
                   const Canvas& canvas) const = 0;
  virtual int64_t channels_in() const = 0;
  virtual int64_t scale() const { return 1; }  // rows of the result for each row
  virtual bool norms() const { return false; }
  virtual double work() const = 0;  // operations of a cell
  virtual int64_t packed_bytes() const = 0;
};

// Null for a module that is none of them, or whose widths the kernels do not take.
std::unique_ptr<DecoderLayer> MakeEntry(const kernels::Kernels& kernels,
                                        const torch::jit::Module& pointwise);
std::unique_ptr<DecoderLayer> MakeMiddle(const kernels::Kernels& kernels,
                                         const torch::jit::Module& module, Packing packing);
std::unique_ptr<DecoderLayer> MakeExit(const kernels::Kernels& kernels,
                                       const torch::jit::Module& pointwise, int64_t patch);

}  // namespace wuerstchen::runtime::blocks

#endif  // CPP_RUNTIME_BLOCKS_DECODER_LAYER_H_
