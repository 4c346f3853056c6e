// Latents -> the bytes of a picture.
#include <ATen/core/Tensor.h>

#include <algorithm>

#include "runtime/graph.h"
#include "runtime/tensor.h"
#include "runtime/workspace.h"

namespace wuerstchen::runtime {
namespace {

HostArray<uint8_t> ToHost(const at::Tensor& pixels) {  // [H, W, 3]
  auto data = std::shared_ptr<uint8_t>(pixels.mutable_data_ptr<uint8_t>(), [pixels](uint8_t*) {});
  return {pixels.sizes().vec(), std::move(data), pixels.numel()};
}

}  // namespace

HostArray<uint8_t> Decode(Workspace& workspace, Graph& graph, const Tensor& latents) {
  auto& vqgan = Torch(graph);
  const auto& executors = vqgan.executors;
  if (std::any_of(executors.begin(), executors.end(),
                  [](const auto& one) { return one->Paints(); })) {
    return ToHost(Call(workspace, vqgan, kPaint, {Value(latents).to(vqgan.dtype)}).at(0));
  }
  const auto image =
      Call(workspace, vqgan, "decode", {Value(latents).to(vqgan.dtype)}).at(0);  // [1, 3, H, W]
  if (image.dim() != 4 || image.size(0) != 1 || image.size(1) != 3) {
    throw Error(ErrorCode::kGraphFailed, "Expected decode to return one picture of three channels");
  }
  // As diffusers: `(image * 255).round()` in float32, and round is half to even.
  const auto pixels = image[0]
                          .permute({1, 2, 0})
                          .to(at::kFloat)
                          .mul(255)
                          .round_()
                          .to(at::kByte)
                          .to(at::kCPU)
                          .contiguous();  // [H, W, 3]
  return ToHost(pixels);
}

}  // namespace wuerstchen::runtime
