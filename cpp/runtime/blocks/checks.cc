#include "runtime/blocks/checks.h"

#include <sstream>

#include "runtime/error.h"

namespace wuerstchen::runtime::blocks {
namespace {

template <typename... Parts>
std::string Text(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  return text.str();
}

[[noreturn]] void Refuse(const char* name, const std::string& expected,
                         const std::string& received) {
  throw Error(ErrorCode::kInvalidArgument,
              Text("Expected ", name, " to be ", expected, " but received ", received));
}

void CheckNumbers(const Context& context, const char* name, const at::Tensor& tensor) {
  if (!tensor.defined()) Refuse(name, "a tensor", "none");
  const auto wanted = TypeOf(context.kernels);
  if (tensor.scalar_type() == wanted && tensor.is_cpu()) return;
  Refuse(name, Text(wanted, " on the CPU"), Text(tensor.scalar_type(), " on ", tensor.device()));
}

}  // namespace

void CheckMap(const Context& context, const at::Tensor& x, int64_t channels) {
  CheckNumbers(context, "x", x);
  if (x.dim() == 4 && x.size(3) == channels && x.numel() > 0) return;
  Refuse("x", Text("(images, height, width, ", channels, ") with a pixel"), Text(x.sizes()));
}

void CheckRows(const Context& context, const at::Tensor& x, int64_t channels) {
  CheckNumbers(context, "x", x);
  if (x.dim() >= 2 && x.size(-1) == channels && x.numel() > 0) return;
  Refuse("x", Text("(…, ", channels, ") with a row"), Text(x.sizes()));
}

void CheckCells(const at::Tensor& x, int64_t side) {
  if (x.size(1) >= side && x.size(2) >= side) return;
  Refuse("x", Text("a map of at least ", side, " x ", side), Text(x.sizes()));
}

void CheckModulation(const Context& context, const at::Tensor& modulation, int64_t images,
                     int64_t columns) {
  CheckNumbers(context, "modulation", modulation);
  if (modulation.dim() == 2 && modulation.size(0) >= images && modulation.size(1) >= columns)
    return;
  Refuse("modulation", Text("at least (", images, ", ", columns, ")"), Text(modulation.sizes()));
}

void CheckSkip(const Context& context, const at::Tensor& skip, const at::Tensor& x,
               int64_t channels) {
  if (channels == 0) return;
  CheckNumbers(context, "skip", skip);
  if (skip.dim() == 4 && skip.sizes().slice(0, 3) == x.sizes().slice(0, 3) &&
      skip.size(3) == channels) {
    return;
  }
  Refuse("skip", Text("of the size of ", x.sizes(), " with ", channels, " channels"),
         Text(skip.sizes()));
}

void CheckTokens(const Context& context, const at::Tensor& x, int64_t channels) {
  CheckNumbers(context, "x", x);
  if (x.dim() == 3 && x.size(2) == channels && x.numel() > 0) return;
  Refuse("x", Text("(texts, tokens, ", channels, ") with a token"), Text(x.sizes()));
}

void CheckMask(const at::Tensor& mask, const at::Tensor& x) {
  if (!mask.defined()) Refuse("mask", "a tensor", "none");
  const int64_t wanted[] = {x.size(0), 1, x.size(1), x.size(1)};
  if (mask.scalar_type() == at::kBool && mask.sizes() == at::IntArrayRef(wanted)) return;
  Refuse("mask", Text(at::IntArrayRef(wanted), " of bool"),
         Text(mask.sizes(), " of ", mask.scalar_type()));
}

at::Tensor CheckedText(const Context& context, const Inputs& inputs, int64_t index, int64_t images,
                       int64_t heads, int64_t head_dim) {
  const auto entries = inputs.condition ? static_cast<int64_t>(inputs.condition->size()) : 0;
  if (index < 0 || index >= entries) {
    Refuse("condition", Text("of more than ", index, " entries"), Text(entries));
  }
  const at::Tensor text = inputs.condition->get(index);
  CheckNumbers(context, "condition[]", text);
  if (text.dim() == 5 && text.size(0) == images && text.size(1) == 2 && text.size(2) == heads &&
      text.size(4) == head_dim) {
    return text.contiguous();
  }
  Refuse("condition[]", Text("(", images, ", 2, ", heads, ", tokens, ", head_dim, ")"),
         Text(text.sizes()));
}

}  // namespace wuerstchen::runtime::blocks
