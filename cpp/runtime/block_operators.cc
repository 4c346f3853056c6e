#include "runtime/block_operators.h"

#include <torch/csrc/jit/runtime/custom_operator.h>

#include <exception>
#include <utility>

#include "runtime/blocks/block.h"
#include "runtime/interruption.h"
#include "runtime/operators.h"

namespace wuerstchen::runtime {
namespace {

using torch::jit::Stack;

blocks::Block& BlockAt(const c10::IValue& address) {
  return *reinterpret_cast<blocks::Block*>(address.toInt());
}

// What a block threw: the interpreter passes nothing on but its text.
thread_local std::exception_ptr thrown;

template <typename Work>
at::Tensor Guarded(const Work& work) {
  try {
    StopIfHalting();
    return work();
  } catch (...) {
    thrown = std::current_exception();
    throw;
  }
}

at::Tensor RunBlock(blocks::Block& block, const blocks::Inputs& inputs) {
  return Guarded([&] { return block.Run(inputs); });
}

void RunStageBlock(Stack& stack) {
  auto& block = BlockAt(torch::jit::pop(stack));
  blocks::Inputs inputs;
  inputs.skip = torch::jit::pop(stack).toTensor();
  inputs.condition = torch::jit::pop(stack).toTensorList();
  inputs.modulation = torch::jit::pop(stack).toTensor();
  inputs.x = torch::jit::pop(stack).toTensor();
  torch::jit::push(stack, RunBlock(block, inputs));
}

void RunMapBlock(Stack& stack) {
  auto& block = BlockAt(torch::jit::pop(stack));
  blocks::Inputs inputs;
  inputs.x = torch::jit::pop(stack).toTensor();
  torch::jit::push(stack, RunBlock(block, inputs));
}

void RunTextLayer(Stack& stack) {
  auto& block = BlockAt(torch::jit::pop(stack));
  blocks::Inputs inputs;
  inputs.mask = torch::jit::pop(stack).toTensor();
  inputs.x = torch::jit::pop(stack).toTensor();
  torch::jit::push(stack, RunBlock(block, inputs));
}

void RunCondition(Stack& stack) {
  auto& block = BlockAt(torch::jit::pop(stack));
  const auto text = torch::jit::pop(stack).toTensor();
  const auto entry = Guarded([&] { return block.Condition(text); });
  torch::jit::push(stack, c10::List<at::Tensor>({entry}));
}

const auto kStageBlock = OperatorOfThisCopy("stage_block");
const auto kMapBlock = OperatorOfThisCopy("map_block");
const auto kTextLayer = OperatorOfThisCopy("text_layer");
const auto kCondition = OperatorOfThisCopy("condition");

const torch::jit::RegisterOperators kRegistered({
    torch::jit::Operator(
        std::string(kStageBlock.toQualString()) +
            "(Tensor x, Tensor modulation, Tensor[] condition, Tensor skip, int block) -> Tensor",
        RunStageBlock, c10::AliasAnalysisKind::CONSERVATIVE),
    torch::jit::Operator(std::string(kMapBlock.toQualString()) + "(Tensor x, int block) -> Tensor",
                         RunMapBlock, c10::AliasAnalysisKind::CONSERVATIVE),
    torch::jit::Operator(std::string(kTextLayer.toQualString()) +
                             "(Tensor x, Tensor mask, int block) -> Tensor",
                         RunTextLayer, c10::AliasAnalysisKind::CONSERVATIVE),
    torch::jit::Operator(std::string(kCondition.toQualString()) +
                             "(Tensor text, int block) -> Tensor[]",
                         RunCondition, c10::AliasAnalysisKind::CONSERVATIVE),
});

}  // namespace

c10::Symbol BlockOperator(size_t inputs) {
  return inputs == 1 ? kMapBlock : inputs == 2 ? kTextLayer : kStageBlock;
}

c10::Symbol ConditionOperator() {
  return kCondition;
}

void RethrowFromBlock() {
  if (thrown != nullptr) std::rethrow_exception(std::exchange(thrown, nullptr));
  throw;
}

}  // namespace wuerstchen::runtime
