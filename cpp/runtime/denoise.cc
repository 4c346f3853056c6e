// Advances a batch of rows, each at its own place of its own schedule, by a number of steps.
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/lerp.h>
#include <ATen/ops/tensor.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "runtime/graph.h"
#include "runtime/interruption.h"
#include "runtime/noise.h"
#include "runtime/tensor.h"
#include "runtime/workspace.h"

namespace wuerstchen::runtime {
namespace {

at::Tensor Round(const at::Tensor& numbers, at::ScalarType dtype) {
  return dtype == at::kFloat ? numbers : numbers.to(dtype).to(at::kFloat);
}

at::Tensor Concatenate(const std::vector<at::Tensor>& parts) {
  return parts.size() == 1 ? parts.front() : at::cat(parts);
}

// A host's tensor on the device. A GPU gets it in its turn, and nobody waits for that: the next
// noise is drawn while it still computes.
at::Tensor Send(const at::Tensor& host, c10::Device device) {
  if (!device.is_cuda()) return host.to(device);
  return host.pin_memory().to(device, host.scalar_type(), /*non_blocking=*/true);
}

// A GPU only queues what it is told. It gets one call ahead and no further: it has something to do
// while JavaScript decides what is next, which is decided on what is nearly true.
void WaitForCallBefore(Workspace& workspace) {
  const auto device = workspace.device;
  if (device.is_cpu()) return;
  const c10::impl::VirtualGuardImpl guard(device.type());
  if (!device.is_cuda()) return guard.synchronizeDevice(device.index());
  c10::Event queued(device.type());
  queued.record(guard.getStream(device));
  if (workspace.queued) workspace.queued->synchronize();
  workspace.queued = std::move(queued);
}

// The rows of one call to `Advance`. A batch for the graph is every row, then once more those that
// are guided.
class Batch {
 public:
  Batch(Workspace& workspace, const AdvanceRequest& request)
      : workspace_(workspace),
        graph_(Torch(*request.graph)),
        rows_(request.rows),
        rounding_(ScalarTypeOf(request.rounding)) {}

  at::Tensor Latents() const {  // [rows, C, H, W]
    std::vector<at::Tensor> parts;
    for (const auto& row : rows_) parts.push_back(Value(*row.latents));
    return Concatenate(parts);
  }

  // The noise in `latents`, guided.  [rows, C, H, W]
  at::Tensor Prediction(int64_t step, const at::Tensor& latents) const {
    return Round(Guide(Predict(step, latents)), rounding_);
  }

  // What would be left of `latents` without that noise, for the rows that want to know; in their
  // order.
  std::vector<at::Tensor> Clean(const at::Tensor& latents, const at::Tensor& prediction) const {
    std::vector<at::Tensor> parts;
    for (size_t index = 0; index < rows_.size(); ++index) {
      const auto& row = rows_[index];
      if (!row.clean) continue;
      const auto place = static_cast<int64_t>(index);
      parts.push_back(row.clean_coefficients.at(0) * latents.narrow(0, place, 1) +
                      row.clean_coefficients.at(1) * prediction.narrow(0, place, 1));
    }
    return parts;
  }

  // Where step `step` leads from `latents`.
  at::Tensor Step(int64_t step, const at::Tensor& latents, const at::Tensor& prediction) const {
    const auto c = Coefficients(step);
    // Three products and two sums, each rounded by itself: a fused one would depend on a row's
    // place in the batch.
    const auto moved = (c[0] * latents + c[1] * prediction).add_(c[2] * Draw(step, latents));
    return Round(moved, rounding_);
  }

  // Every row gets its latents, and its noise is used up; or none does.
  void Commit(int64_t steps, const at::Tensor& latents, std::vector<at::Tensor> clean) const {
    std::vector<at::Tensor> parts;
    for (size_t index = 0; index < rows_.size(); ++index) {
      // A clone: a view would keep the memory of the whole batch.
      const auto part = latents.narrow(0, static_cast<int64_t>(index), 1);
      parts.push_back(rows_.size() == 1 ? part : part.clone());
    }
    for (size_t index = 0; index < rows_.size(); ++index) {
      const auto& row = rows_[index];
      Value(*row.latents) = std::move(parts[index]);
      Torch(*row.noise).Take(row.noise_row, steps);
    }
    auto next = clean.begin();
    for (const auto& row : rows_) {
      if (row.clean) Value(*row.clean) = std::move(*next++);
    }
  }

 private:
  // [rows + guided, C, H, W] in the graph's dtype -> the same in float32
  at::Tensor Predict(int64_t step, const at::Tensor& latents) const {
    BatchMemo::Rows conditions;
    std::vector<at::Tensor> inputs, modulations;
    std::vector<int64_t> sources;
    for (const bool negative : {false, true}) {
      for (size_t index = 0; index < rows_.size(); ++index) {
        const auto& row = rows_[index];
        if (negative && !row.negative) continue;
        conditions.emplace_back(negative ? *row.negative : row.condition);
        sources.push_back(static_cast<int64_t>(index));
        inputs.push_back(latents.narrow(0, static_cast<int64_t>(index), 1));
        modulations.push_back(Value(*row.modulation).narrow(0, row.first_step + step, 1));
      }
    }
    const bool guided = inputs.size() > rows_.size();
    const auto input = guided ? at::cat(inputs) : latents;
    return Call(workspace_, graph_, "step",
                {input.to(graph_.dtype), Concatenate(modulations),
                 workspace_.conditions.Concatenate(conditions)},
                guided ? sources : std::vector<int64_t>{})
        .at(0)
        .to(at::kFloat);
  }

  // [rows + guided, C, H, W] -> [rows, C, H, W]
  at::Tensor Guide(const at::Tensor& predictions) const {
    auto guided = static_cast<int64_t>(rows_.size());
    if (predictions.size(0) == guided) return predictions;
    std::vector<at::Tensor> parts;
    for (size_t index = 0; index < rows_.size(); ++index) {
      const auto conditional = predictions.narrow(0, static_cast<int64_t>(index), 1);
      const auto& row = rows_[index];
      if (row.negative) {
        const auto unconditional = predictions.narrow(0, guided++, 1);
        parts.push_back(at::lerp(unconditional, conditional, row.guidance_scale));
      } else {
        parts.push_back(conditional);
      }
    }
    return Concatenate(parts);
  }

  at::Tensor Coefficients(int64_t step) const {  // [3, rows, 1, 1, 1]
    std::vector<float> values;
    for (const int64_t which : {0, 1, 2}) {
      for (const auto& row : rows_) values.push_back(row.coefficients.at(3 * step + which));
    }
    return Send(at::tensor(values).view({3, -1, 1, 1, 1}), workspace_.device);
  }

  at::Tensor Draw(int64_t step, const at::Tensor& latents) const {  // [rows, C, H, W]
    Shape shape = latents.sizes().vec();
    shape[0] = 1;
    std::vector<at::Tensor> parts;
    for (const auto& row : rows_) {
      parts.push_back(Torch(*row.noise).Peek(row.noise_row, step, shape));
    }
    return Send(Concatenate(parts), workspace_.device);
  }

  Workspace& workspace_;
  TorchGraph& graph_;
  const std::vector<AdvanceRow>& rows_;
  const at::ScalarType rounding_;
};

}  // namespace

void Advance(Workspace& workspace, const AdvanceRequest& request) {
  const Batch batch(workspace, request);
  auto latents = batch.Latents();
  std::vector<at::Tensor> clean;
  for (int64_t step = 0; step < request.steps; ++step) {
    StopIfHalting();
    const auto prediction = batch.Prediction(step, latents);
    if (step == request.steps - 1) clean = batch.Clean(latents, prediction);
    latents = batch.Step(step, latents, prediction);
  }
  WaitForCallBefore(workspace);
  batch.Commit(request.steps, latents, std::move(clean));
}

}  // namespace wuerstchen::runtime
