// The operators of TorchScript that run a block of `blocks/`: what rewritten graphs call. Device
// threads.
#ifndef CPP_RUNTIME_BLOCK_OPERATORS_H_
#define CPP_RUNTIME_BLOCK_OPERATORS_H_

#include <ATen/core/symbol.h>

#include <cstddef>
#include <string>

namespace wuerstchen::runtime {

// For a block that takes so many inputs. The last input of every operator is the block's address: a
// rewritten graph lives no longer than its blocks do, and is never written to a file.
c10::Symbol BlockOperator(size_t inputs);
// For what a block makes of the text.
c10::Symbol ConditionOperator();
// Inside a `catch`: throws what the block threw, of which the interpreter passes on the text alone,
// or else what was caught.
[[noreturn]] void RethrowFromBlock();

}  // namespace wuerstchen::runtime

#endif  // CPP_RUNTIME_BLOCK_OPERATORS_H_
