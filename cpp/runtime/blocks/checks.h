// What a block asks of its inputs before its kernels read them: these trust every shape. Each
// function throws kInvalidArgument. Belongs to the device's thread.
#ifndef CPP_RUNTIME_BLOCKS_CHECKS_H_
#define CPP_RUNTIME_BLOCKS_CHECKS_H_

#include "runtime/blocks/block.h"

namespace wuerstchen::runtime::blocks {

// `x` is (images, height, width, channels), with at least one image and one pixel.
void CheckMap(const Context& context, const at::Tensor& x, int64_t channels);

// `x` is (…, channels), with at least one row.
void CheckRows(const Context& context, const at::Tensor& x, int64_t channels);

// A map has room for a cell of so many pixels a side.
void CheckCells(const at::Tensor& x, int64_t side);

// A row of the modulation for each image, with at least so many columns.
void CheckModulation(const Context& context, const at::Tensor& modulation, int64_t images,
                     int64_t columns);

// A map of the size of `x`. Without channels it is not read, and may be any.
void CheckSkip(const Context& context, const at::Tensor& skip, const at::Tensor& x,
               int64_t channels);

// `x` is (texts, tokens, channels), with at least one token.
void CheckTokens(const Context& context, const at::Tensor& x, int64_t channels);

// (texts, 1, tokens, tokens) of bool, for these tokens.
void CheckMask(const at::Tensor& mask, const at::Tensor& x);

// Entry `index` of the condition: (images, 2, heads, tokens, head_dim).
at::Tensor CheckedText(const Context& context, const Inputs& inputs, int64_t index, int64_t images,
                       int64_t heads, int64_t head_dim);

}  // namespace wuerstchen::runtime::blocks

#endif  // CPP_RUNTIME_BLOCKS_CHECKS_H_
