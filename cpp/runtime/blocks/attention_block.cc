// Attention from a map to itself and to the text. One product makes queries, keys and values of all
// image tokens; no matrix of scores is ever written to memory.
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/silu.h>

#include <algorithm>
#include <cmath>

#include "runtime/blocks/block.h"
#include "runtime/blocks/checks.h"
#include "runtime/blocks/depthwise.h"
#include "runtime/blocks/tasks.h"
#include "runtime/numbers.h"

namespace wuerstchen::runtime::blocks {
namespace {

constexpr const char* kProjections[] = {"attention.to_q", "attention.to_k", "attention.to_v"};
constexpr char kOut[] = "attention.to_out.0.weight";

// Queries, keys and values of image tokens side by side, and keys and values of the text.
struct Tokens {
  const void* projected;  // (images, tokens, 3 * heads * head_dim)
  const void* text;       // (images, 2, heads, text_tokens, head_dim)
  int64_t images, tokens, text_tokens, heads, head_dim;

  int64_t keys() const { return tokens + text_tokens; }
  int64_t channels() const { return heads * head_dim; }
};

class AttentionBlock final : public Block {
 public:
  AttentionBlock(Context& context, torch::jit::Module module, std::string path)
      : context_(context),
        module_(std::move(module)),
        path_(std::move(path)),
        heads_(module_.attr("heads").toInt()),
        index_(module_.attr("index").toInt()) {}

  at::Tensor Run(const Inputs& inputs) override {
    if (!ready_) Prepare();
    const auto& kernels = context_.kernels;
    auto& arena = context_.arena;
    const auto x = context_.copies.Restore(inputs.x).contiguous();
    CheckMap(context_, x, out_.columns());
    const auto text =
        CheckedText(context_, inputs, index_, x.size(0), heads_, out_.columns() / heads_);
    const int64_t images = x.size(0), pixels = x.size(1) * x.size(2), channels = x.size(3);
    const int64_t rows = images * pixels;

    float* const statistics = arena.Get(Arena::kStatistics, 2 * rows);
    const Statistics norm{statistics, statistics + rows};
    Measure(kernels, x, norm);
    void* const projected = arena.Get(Arena::kHidden, rows * 3 * channels, kernels);
    const Left left{.rows = x.const_data_ptr(),
                    .stride = channels,
                    .centre = norm.centre,
                    .spread = norm.spread,
                    .right = nullptr};
    Project(left, images, pixels, 0, projected);

    void* const attended = arena.Get(Arena::kAttended, rows * channels, kernels);
    Attend(
        {projected, text.const_data_ptr(), images, pixels, text.size(3), heads_, channels / heads_},
        attended);
    auto out = at::empty(x.sizes(), x.options());
    Compute(kernels, Product{.left = {{.rows = attended, .stride = channels, .right = &out_}},
                             .images = images,
                             .pixels = pixels,
                             .out = out.mutable_data_ptr(),
                             .out_stride = channels,
                             .bias = out_bias_.const_data_ptr<float>(),
                             .residual = x.const_data_ptr()});
    return out;
  }

  // Keys and values of the text, (B, 2, heads, T, head_dim).
  at::Tensor Condition(const at::Tensor& text) override {
    if (!ready_) Prepare();
    CheckTokens(context_, text, map_text_.depth());
    const int64_t texts = text.size(0), tokens = text.size(1), channels = out_.columns();
    const auto active = at::silu(text).contiguous();
    const auto mapped = at::empty({texts, tokens, channels}, text.options());
    Compute(context_.kernels, Product{.left = {{.rows = active.const_data_ptr(),
                                                .stride = map_text_.depth(),
                                                .right = &map_text_}},
                                      .images = texts,
                                      .pixels = tokens,
                                      .out = mapped.mutable_data_ptr(),
                                      .out_stride = channels,
                                      .bias = map_text_bias_.const_data_ptr<float>()});
    const auto projected = at::empty({texts, tokens, 3 * channels}, text.options());
    const Left left{.rows = mapped.const_data_ptr(), .stride = channels, .right = nullptr};
    Project(left, texts, tokens, channels, projected.mutable_data_ptr());
    return projected.view({texts, tokens, 3, heads_, -1})
        .narrow(2, 1, 2)
        .permute({0, 2, 3, 1, 4})
        .contiguous();
  }

  void Prepare() override {
    PrepareProjection();
    out_ = context_.WorkshopOf(path_).Read("out", Parameter(module_, kOut), context_.packing);
    out_bias_ = Wide(module_, "attention.to_out.0.bias");
    map_text_ =
        Matrix(context_.kernels, {Parameter(module_, "kv_mapper.1.weight")}, Packing::kNone);
    map_text_bias_ = Wide(module_, "kv_mapper.1.bias");
    ready_ = true;
  }

  void Forget() override {
    ready_ = false;
    project_.clear();
    out_ = Matrix();
    map_text_ = Matrix();
  }

  std::vector<std::string> Packed() const override {
    std::vector<std::string> names{kOut};
    for (const auto* name : kProjections) names.push_back(std::string(name) + ".weight");
    return names;
  }

  int64_t packed_bytes() const override {
    int64_t bytes = out_.packed_bytes();
    for (const auto& project : project_) bytes += project.packed_bytes();
    return bytes;
  }

 private:
  void PrepareProjection() {
    std::vector<at::Tensor> weights, biases;
    int64_t columns = 0;
    for (const auto* name : kProjections) {
      weights.push_back(Parameter(module_, std::string(name) + ".weight"));
      biases.push_back(Wide(module_, std::string(name) + ".bias"));
      columns += weights.back().size(0);
    }
    project_.clear();
    project_bias_ = at::cat(biases);
    if (context_.packing == Packing::kNone) {
      for (const auto& weight : weights)
        project_.emplace_back(context_.kernels, std::vector{weight}, Packing::kNone);
    } else {
      const int64_t depth = weights.front().size(1);
      project_.push_back(context_.WorkshopOf(path_).Pack(
          "project", columns, depth, context_.packing, [&] { return weights; }));
    }
  }

  // Queries, keys and values of rows, side by side; those in the first `skipped` columns are left
  // out.
  void Project(Left left, int64_t images, int64_t rows, int64_t skipped, void* projected) const {
    const auto& kernels = context_.kernels;
    int64_t column = 0;
    for (const auto& project : project_) {
      left.right = &project;
      const int64_t own = std::clamp<int64_t>(skipped - column, 0, project.columns());
      if (own < project.columns()) {
        Compute(kernels, Product{.left = {left},
                                 .images = images,
                                 .pixels = rows,
                                 .out = kernels.At(projected, column),
                                 .out_stride = 3 * out_.columns(),
                                 .skipped = own,
                                 .bias = project_bias_.const_data_ptr<float>() + column});
      }
      column += project.columns();
    }
  }

  void Attend(const Tokens& tokens, void* attended) {
    const auto& kernels = context_.kernels;
    const int64_t capacity = RoundUp(tokens.keys(), kernels.key_multiple);
    const int64_t key_size = capacity * tokens.head_dim;
    const int64_t value_size = capacity * RoundUp(tokens.head_dim, kernels.panel);
    const int64_t all_heads = tokens.images * tokens.heads;
    const auto& attention = AttentionOf();
    const int64_t bytes = kernels::BytesOf(attention.number);
    auto* const keys = context_.arena.GetBytes(Arena::kKeys, all_heads * key_size * bytes);
    auto* const values = context_.arena.GetBytes(Arena::kValues, all_heads * value_size * bytes);
    const int64_t key_numbers = all_heads * tokens.keys() * tokens.head_dim;
    ForEachTask(all_heads, WorkOn(2 * key_numbers, 20), [&](int64_t head) {
      Pack(tokens, head, capacity, keys + head * key_size * bytes,
           values + head * value_size * bytes);
    });
    const auto cut = CutRows(kernels, tokens.tokens, kernels::kChunkQueries);
    const int64_t channels = tokens.channels();
    const float scale = 1 / std::sqrt(static_cast<float>(tokens.head_dim));
    ForEachTask(all_heads * cut.count, WorkOn(key_numbers, 4.0 * tokens.tokens), [&](int64_t task) {
      const int64_t head = task / cut.count, start = task % cut.count * cut.rows;
      const int64_t row = head / tokens.heads * tokens.tokens + start;
      const int64_t column = head % tokens.heads * tokens.head_dim;
      attention.attend({
          .queries = kernels.At(tokens.projected, row * 3 * channels + column),
          .query_stride = 3 * channels,
          .rows = std::min(cut.rows, tokens.tokens - start),
          .head_dim = tokens.head_dim,
          .keys = keys + head * key_size * bytes,
          .values = values + head * value_size * bytes,
          .key_count = tokens.keys(),
          .scale = scale,
          .out = kernels.At(attended, row * channels + column),
          .out_stride = channels,
          .scratch = Scratch(kernels::kAttentionScratch),
      });
    });
  }

  const kernels::AttentionKernels& AttentionOf() const {
    const bool rough = context_.packing == Packing::kBytes;
    return rough ? context_.kernels.rough_attention : context_.kernels.attention;
  }

  // Keys and values of one head of one image: of its own tokens, then of the text.
  void Pack(const Tokens& tokens, int64_t head, int64_t capacity, void* keys, void* values) const {
    const auto& kernels = context_.kernels;
    const int64_t image = head / tokens.heads, place = head % tokens.heads;
    const int64_t channels = tokens.channels(), head_dim = tokens.head_dim;
    const auto own = [&](int64_t part) {
      const int64_t first = image * tokens.tokens * 3 * channels + place * head_dim;
      const void* const rows = kernels.At(tokens.projected, first + part * channels);
      return kernels::PackHeadArgs{rows, 3 * channels, tokens.tokens, head_dim, 0, capacity};
    };
    const auto text = [&](int64_t part) {
      const int64_t head_of_text = (image * 2 + part) * tokens.heads + place;
      const void* const rows =
          kernels.At(tokens.text, head_of_text * tokens.text_tokens * head_dim);
      return kernels::PackHeadArgs{rows,     head_dim,      tokens.text_tokens,
                                   head_dim, tokens.tokens, capacity};
    };
    const auto& attention = AttentionOf();
    attention.pack_keys(own(1), keys);
    attention.pack_values(own(2), values);
    attention.pack_keys(text(0), keys);
    attention.pack_values(text(1), values);
  }

  Context& context_;
  const torch::jit::Module module_;
  const std::string path_;
  const int64_t heads_, index_;
  bool ready_ = false;
  std::vector<Matrix> project_;  // queries, keys and values: one matrix, or one each
  Matrix out_;
  Matrix map_text_;  // read once for each text: where it lies
  at::Tensor project_bias_, out_bias_, map_text_bias_;
};

}  // namespace

std::unique_ptr<Block> MakeAttentionBlock(Context& context, torch::jit::Module module,
                                          const std::string& path) {
  const auto weight = Parameter(module, "attention.to_q.weight");
  const int64_t head_dim = weight.size(0) / module.attr("heads").toInt();
  const auto mapper = Parameter(module, "kv_mapper.1.weight");
  if (!Matrix::Fits(context.kernels, weight) || !Matrix::Fits(context.kernels, mapper) ||
      head_dim > kernels::kPassDepth)
    return nullptr;
  if (head_dim % 2 != 0) return nullptr;
  return std::make_unique<AttentionBlock>(context, std::move(module), path);
}

}  // namespace wuerstchen::runtime::blocks
