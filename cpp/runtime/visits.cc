#include "runtime/visits.h"

#include <ATen/ops/_to_copy.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/library.h>

#include <string>
#include <utility>

#include "runtime/graph_edit.h"
#include "runtime/interruption.h"
#include "runtime/operators.h"

namespace wuerstchen::runtime {
namespace {

c10::impl::VirtualGuardImpl Streams(c10::Device device) {
  return c10::impl::VirtualGuardImpl(device.type());
}

// `Walk::Use` as an operator.
at::Tensor Use(const at::Tensor& weight) {
  StopIfHalting();
  return Walk::Use(weight);
}

c10::Symbol UseOperator() {
  static const auto symbol = [] {
    const auto name = OperatorOfThisCopy("use");
    static torch::Library library(torch::Library::FRAGMENT, kOperators, std::nullopt, __FILE__,
                                  __LINE__);
    library.def((std::string(name.toUnqualString()) + "(Tensor weight) -> Tensor").c_str(), &Use);
    return name;
  }();
  return symbol;
}

}  // namespace

Visits::Visits(const std::vector<at::Tensor>& weights, c10::Device device) : device_(device) {
  for (const auto& weight : weights) Add(weight);
  visits_.resize(weights_.size());
  if (device.is_cuda()) travel_ = Streams(device).getStreamFromGlobalPool(device);
}

void Visits::Bring(size_t index) {
  auto& visit = visits_[index];
  if (visit.copy.defined()) return;
  const auto& weight = weights_[index];
  if (!travel_) {
    visit.copy = weight.to(device_, weight.scalar_type(), /*non_blocking=*/false, /*copy=*/true);
    return;
  }
  const c10::StreamGuard guard(*travel_);
  // libtorch keeps the pinned memory until the copy is made.
  visit.copy = weight.pin_memory().to(device_, weight.scalar_type(), /*non_blocking=*/true);
  visit.arriving.emplace(device_.type());
  visit.arriving->record(*travel_);
}

at::Tensor Visits::Get(size_t index) {
  Bring(index);
  auto& visit = visits_[index];
  if (visit.arriving) {
    const auto here = Streams(device_).getStream(device_);
    visit.arriving->block(here);
    visit.copy.record_stream(here);  // its memory is not given away before this stream is done
    visit.arriving.reset();
  }
  return visit.copy;
}

void Visits::LetGo(size_t index) {
  visits_[index] = {};
  if (!travel_) return;
  // The host runs ahead of the device: without waiting it had asked for copies of all the network
  // before the device was done with the first.
  c10::Event leaving(device_.type());
  leaving.record(Streams(device_).getStream(device_));
  if (left_) left_->synchronize();
  left_ = std::move(leaving);
}

void Visits::LetGoOfAll() {
  for (auto& visit : visits_) visit = {};
}

void WatchReads(const torch::jit::Module& module) {
  AfterReads(
      module, [](const at::Tensor&) { return true; },
      [](torch::jit::Graph& graph, torch::jit::Value* weight) {
        return graph.insert(UseOperator(), {weight});
      });
}

}  // namespace wuerstchen::runtime
