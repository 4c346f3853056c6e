// Stage A's decoder as a chain of layers that runs in strips: its memory grows with the width of a
// picture alone, and its maps are read while they are in the cache. Belongs to the device's thread.
#ifndef CPP_RUNTIME_BLOCKS_PICTURE_DECODER_H_
#define CPP_RUNTIME_BLOCKS_PICTURE_DECODER_H_

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/api/module.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "runtime/blocks/block.h"
#include "runtime/blocks/decoder_layer.h"
#include "runtime/blocks/strips.h"

namespace wuerstchen::runtime::blocks {

class PictureDecoder {
 public:
  // Null for a module that is no Stage A, or whose widths the kernels do not take.
  static std::unique_ptr<PictureDecoder> Of(Context& context, const torch::jit::Module& module);

  // Latents (B, 4, h, w) -> pixels in [0, 1], (B, 3, f * h, f * w), as the graph's `decode`.
  at::Tensor Decode(const at::Tensor& latents);
  // Latents (1, 4, h, w) -> (f * h, f * w, 3) of uint8.
  at::Tensor Paint(const at::Tensor& latents);
  // The weights changed.
  void Forget() { layers_.clear(); }
  int64_t packed_bytes() const;

 private:
  PictureDecoder(Context& context, torch::jit::Module module)
      : context_(context), module_(std::move(module)) {}
  void Prepare();
  int64_t Factor() const;  // pixels of a latent's side
  void DecodeOne(const at::Tensor& latents, const Canvas& canvas);
  std::vector<RowsKept> PlaceRows(int64_t height, int64_t width, int64_t rows);

  Context& context_;
  const torch::jit::Module module_;
  std::vector<std::unique_ptr<DecoderLayer>> layers_;  // none until they are wanted
};

}  // namespace wuerstchen::runtime::blocks

#endif  // CPP_RUNTIME_BLOCKS_PICTURE_DECODER_H_
