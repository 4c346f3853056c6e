#include "runtime/blocks/picture_decoder.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>

#include <algorithm>

#include "runtime/blocks/checks.h"
#include "runtime/blocks/mixer.h"
#include "runtime/blocks/tasks.h"
#include "runtime/blocks/upsampler.h"
#include "runtime/numbers.h"

namespace wuerstchen::runtime::blocks {
namespace {

// Of a strip, at the latents' size: so many tasks of one layer follow each other that its weights
// stay in the cache, and the rows that are kept still fit there.
constexpr int64_t kStripCells = 1024;
constexpr int64_t kCellsPerThread = 32;      // enough tasks for all layers' threads
constexpr int64_t kTaskNumbers = 112 * 384;  // of a task: its hidden layer fits the second cache
constexpr int64_t kMostCells = 288;          // of a task of narrow layers

torch::jit::Module Child(const torch::jit::Module& module, const std::string& name) {
  return module.attr(name).toModule();
}

std::vector<torch::jit::Module> Middle(const torch::jit::Module& module) {
  std::vector<torch::jit::Module> found;
  for (const auto& child : Child(module, "up_blocks").named_children()) {
    if (child.name != "0") found.push_back(child.value);
  }
  return found;
}

torch::jit::Module EntryOf(const torch::jit::Module& module) {
  return Child(Child(Child(module, "up_blocks"), "0"), "0");
}

torch::jit::Module ExitOf(const torch::jit::Module& module) {
  return Child(Child(module, "out_block"), "0");
}

bool FitsMiddle(const kernels::Kernels& kernels, const torch::jit::Module& module) {
  const auto kind = module.type()->name()->name();
  if (kind == "MixingBlock") return Mixer::Fits(kernels, module);
  return kind == "Upsample" && Upsampler::Fits(kernels, module);
}

bool FitsAll(const kernels::Kernels& kernels, const torch::jit::Module& module) {
  if (!Matrix::Fits(kernels, Parameter(EntryOf(module), "weight").flatten(1))) return false;
  if (Parameter(ExitOf(module), "weight").size(1) % 2 != 0) return false;
  const auto middle = Middle(module);
  return std::all_of(middle.begin(), middle.end(),
                     [&](const auto& one) { return FitsMiddle(kernels, one); });
}

}  // namespace

std::unique_ptr<PictureDecoder> PictureDecoder::Of(Context& context,
                                                   const torch::jit::Module& module) {
  if (module.type()->name()->name() != "Vqgan" || !FitsAll(context.kernels, module)) return nullptr;
  return std::unique_ptr<PictureDecoder>(new PictureDecoder(context, module));
}

void PictureDecoder::Prepare() {
  const auto& kernels = context_.kernels;
  layers_.push_back(MakeEntry(kernels, EntryOf(module_)));
  for (const auto& one : Middle(module_)) {
    layers_.push_back(MakeMiddle(kernels, one, context_.packing));
  }
  layers_.push_back(MakeExit(kernels, ExitOf(module_), module_.attr("patch_size").toInt()));
}

int64_t PictureDecoder::packed_bytes() const {
  int64_t sum = 0;
  for (const auto& layer : layers_) sum += layer->packed_bytes();
  return sum;
}

// What each layer but the last writes: as many rows as strips are kept.
std::vector<RowsKept> PictureDecoder::PlaceRows(int64_t height, int64_t width, int64_t rows) {
  const auto& kernels = context_.kernels;
  std::vector<RowsKept> kept;
  int64_t numbers = 0, cells = 0, scale = 1;
  for (size_t index = 0; index + 1 < layers_.size(); ++index) {
    scale *= layers_[index]->scale();
    const int64_t held = scale * std::min(height, kStripsKept * rows), wide = scale * width;
    const int64_t channels = layers_[index + 1]->channels_in();
    kept.push_back({nullptr, {nullptr, nullptr}, scale * height, wide, channels, held});
    numbers += held * wide * channels;
    if (layers_[index + 1]->norms()) cells += held * wide;
  }
  void* place = context_.arena.Get(Arena::kHidden, numbers, kernels);
  float* statistics = context_.arena.Get(Arena::kStatistics, 2 * cells);
  for (size_t index = 0; index < kept.size(); ++index) {
    auto& one = kept[index];
    const int64_t count = one.held * one.width;
    one.cells = place;
    place = kernels.At(place, count * one.channels);
    if (!layers_[index + 1]->norms()) continue;
    one.norm = {statistics, statistics + count};
    statistics += 2 * count;
  }
  return kept;
}

void PictureDecoder::DecodeOne(const at::Tensor& latents, const Canvas& canvas) {
  if (layers_.empty()) Prepare();
  CheckMap(context_, latents.permute({0, 2, 3, 1}), layers_.front()->channels_in());
  const auto map = (latents[0] * module_.attr("scale_factor").toDouble())
                       .permute({1, 2, 0})
                       .contiguous();  // (h, w, 4)
  const int64_t height = map.size(0), width = map.size(1);
  const int64_t wanted = std::max(kStripCells, kCellsPerThread * Threads());
  const int64_t rows = std::min(height, DivideUp(wanted, width));
  const int64_t strips = DivideUp(height, rows), rest = height - (strips - 1) * rows;
  const auto kept = PlaceRows(height, width, rows);
  std::vector<MapRows> read{
      {map.const_data_ptr(), {nullptr, nullptr}, height, width, map.size(2), height}};
  for (const auto& one : kept) read.push_back(one.map());
  std::vector<StripLayer> cuts;
  for (const auto& in : read) {
    const int64_t scale = in.width / width, cells = scale * in.width;
    const int64_t most = std::min(kMostCells, kTaskNumbers / in.channels);
    cuts.push_back({cells * rows, cells * rest, most});
  }
  const StripPlan plan(cuts, strips);
  double work = 0;
  for (size_t index = 0; index < layers_.size(); ++index) {
    work += layers_[index]->work() * static_cast<double>(read[index].height * read[index].width);
  }
  RunStrips(plan, work, [&](const StripPlan::Task& task) {
    const auto& in = read[task.layer];
    const int64_t before = task.strip * cuts[task.layer].cells;
    const bool last = task.layer + 1 == plan.layers();
    layers_[task.layer]->Run(in, before + task.first, before + task.end,
                             last ? RowsKept{} : kept[task.layer], canvas);
  });
}

int64_t PictureDecoder::Factor() const {
  int64_t factor = module_.attr("patch_size").toInt();
  for (const auto& one : Middle(module_)) {
    if (one.type()->name()->name() == "Upsample") factor *= 2;
  }
  return factor;
}

at::Tensor PictureDecoder::Decode(const at::Tensor& latents) {
  const int64_t factor = Factor();
  auto out = at::empty({latents.size(0), 3, factor * latents.size(2), factor * latents.size(3)},
                       latents.options());
  for (int64_t index = 0; index < latents.size(0); ++index) {
    DecodeOne(latents.narrow(0, index, 1),
              {out[index].mutable_data_ptr(), nullptr, out.size(2), out.size(3)});
  }
  return out;
}

at::Tensor PictureDecoder::Paint(const at::Tensor& latents) {
  const int64_t factor = Factor();
  auto out = at::empty({factor * latents.size(2), factor * latents.size(3), 3}, at::kByte);
  DecodeOne(latents, {nullptr, out.mutable_data_ptr<uint8_t>(), out.size(0), out.size(1)});
  return out;
}

}  // namespace wuerstchen::runtime::blocks
