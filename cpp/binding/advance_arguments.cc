#include "binding/advance_arguments.h"

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "binding/arguments.h"
#include "binding/handle.h"

namespace wuerstchen::binding {
namespace {

constexpr int64_t kMaxSteps = 1'000'000;

using runtime::AdvanceRequest;
using runtime::AdvanceRow;
using runtime::TensorPtr;

void Expect(bool kept, const char* promise) {
  if (!kept) ThrowInvalid(std::string("Expected ") + promise);
}

std::vector<TensorPtr> ReadEntries(Napi::Value value, const char* name,
                                   const runtime::Device& device) {
  const auto array = ReadArray(value, name);
  std::vector<TensorPtr> entries;
  entries.reserve(array.Length());
  for (uint32_t index = 0; index < array.Length(); ++index) {
    entries.push_back(TensorHandle::Read(array.Get(index), name, device));
  }
  return entries;
}

AdvanceRow ReadRow(Napi::Value value, const runtime::Device& device) {
  const auto object = ReadObject(value, "rows[]");
  AdvanceRow row;
  row.latents = TensorHandle::Read(object.Get("latents"), "rows[].latents", device);
  row.condition = ReadEntries(object.Get("condition"), "rows[].condition", device);
  const auto negative = object.Get("negative");
  if (!negative.IsNull()) row.negative = ReadEntries(negative, "rows[].negative", device);
  row.guidance_scale = ReadFinite(object.Get("guidanceScale"), "rows[].guidanceScale");
  row.modulation = TensorHandle::Read(object.Get("modulation"), "rows[].modulation", device);
  row.first_step = ReadInteger(object.Get("firstStep"), "rows[].firstStep", 0, kMaxSteps);
  row.coefficients = ReadFloats(object.Get("coefficients"), "rows[].coefficients");
  row.noise = NoiseHandle::Read(object.Get("noise"), "rows[].noise", device);
  row.noise_row = ReadInteger(object.Get("noiseRow"), "rows[].noiseRow", 0, row.noise->rows - 1);
  const auto clean = object.Get("clean");
  if (!clean.IsNull()) {
    const auto wanted = ReadObject(clean, "rows[].clean");
    row.clean = TensorHandle::Read(wanted.Get("latents"), "rows[].clean.latents", device);
    row.clean_coefficients = ReadFloats(wanted.Get("coefficients"), "rows[].clean.coefficients");
  }
  return row;
}

void CheckEntries(const std::vector<TensorPtr>& entries, const std::vector<TensorPtr>& first) {
  Expect(entries.size() == first.size(), "every condition to have as many entries as the first");
  for (size_t index = 0; index < entries.size(); ++index) {
    const auto& shape = entries[index]->shape;
    Expect(!shape.empty() && shape[0] == 1, "every entry of a condition to have one row");
    Expect(shape == first[index]->shape, "the conditions of a batch to have the same shapes");
  }
}

void CheckRow(const AdvanceRow& row, const AdvanceRow& first, int64_t steps) {
  const auto& latents = row.latents->shape;
  Expect(latents.size() == 4 && latents[0] == 1, "rows[].latents to be (1, C, H, W)");
  Expect(latents == first.latents->shape, "the latents of a batch to have the same shape");
  CheckEntries(row.condition, first.condition);
  if (row.negative) CheckEntries(*row.negative, first.condition);
  const auto& modulation = row.modulation->shape;
  Expect(modulation.size() == 2 && modulation[0] >= row.first_step + steps,
         "rows[].modulation to have a row for each of these steps");
  Expect(modulation[1] == first.modulation->shape[1], "modulations of the same width");
  Expect(static_cast<int64_t>(row.coefficients.size()) == 3 * steps,
         "rows[].coefficients to have three numbers for each step");
  if (!row.clean) return;
  Expect(row.clean->shape == latents, "rows[].clean.latents to have the shape of the latents");
  Expect(row.clean_coefficients.size() == 2, "rows[].clean.coefficients to have two numbers");
}

// A row that is in a batch twice would be advanced once and charged twice.
void CheckDistinct(const std::vector<AdvanceRow>& rows) {
  std::set<const runtime::Tensor*> latents;
  std::set<std::pair<const runtime::Noise*, int64_t>> draws;
  for (const auto& row : rows) {
    Expect(latents.insert(row.latents.get()).second, "every row to have latents of its own");
    Expect(!row.clean || latents.insert(row.clean.get()).second,
           "every row to have clean latents of its own");
    Expect(draws.emplace(row.noise.get(), row.noise_row).second,
           "every row to have a row of noise of its own");
  }
}

}  // namespace

AdvanceRequest ReadAdvanceRequest(Napi::Value options, const runtime::Device& device) {
  const auto object = ReadObject(options, "options");
  AdvanceRequest request;
  request.graph = GraphHandle::Read(object.Get("graph"), "graph", device);
  request.steps = ReadInteger(object.Get("steps"), "steps", 1, kMaxSteps);
  request.rounding = ReadDtype(object.Get("rounding"), "rounding");
  const auto rows = ReadArray(object.Get("rows"), "rows");
  Expect(rows.Length() > 0, "rows to have at least one");
  for (uint32_t index = 0; index < rows.Length(); ++index) {
    request.rows.push_back(ReadRow(rows.Get(index), device));
  }
  for (const auto& row : request.rows) CheckRow(row, request.rows.front(), request.steps);
  CheckDistinct(request.rows);
  return request;
}

}  // namespace wuerstchen::binding
