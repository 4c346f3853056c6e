#include "binding/arguments.h"

#include <cmath>
#include <optional>
#include <utility>

namespace wuerstchen::binding {
namespace {

constexpr int64_t kMaxCpu = 65535;

std::string Describe(Napi::Value value) {
  if (value.IsNumber() || value.IsBoolean() || value.IsNull() || value.IsUndefined()) {
    return value.ToString().Utf8Value();
  }
  if (value.IsString()) return "'" + value.As<Napi::String>().Utf8Value() + "'";
  if (value.IsArray()) return "an array";
  return value.IsObject() ? "an object" : "another kind of value";
}

template <typename Choice, size_t Count>
Choice ReadChoice(Napi::Value value, const char* name,
                  const std::pair<const char*, Choice> (&choices)[Count]) {
  const auto text = ReadString(value, name);
  std::string expected;
  for (const auto& [word, choice] : choices) {
    if (text == word) return choice;
    expected += (expected.empty() ? "one of " : ", ") + std::string(word);
  }
  ThrowInvalid(name, expected, value);
}

// The elements of a typed array, or nothing if it is of another type.
template <typename Element>
std::optional<std::vector<Element>> ReadElements(Napi::Value value, napi_typedarray_type type) {
  if (!value.IsTypedArray()) return std::nullopt;
  if (value.As<Napi::TypedArray>().TypedArrayType() != type) return std::nullopt;
  const auto array = value.As<Napi::TypedArrayOf<Element>>();
  if (array.ElementLength() == 0) return std::vector<Element>();
  return std::vector<Element>(array.Data(), array.Data() + array.ElementLength());
}

}  // namespace

void ThrowInvalid(const std::string& name, const std::string& expected, Napi::Value received) {
  ThrowInvalid("Expected " + name + " to be " + expected + " but received " + Describe(received));
}

void ThrowInvalid(const std::string& message) {
  throw runtime::Error(runtime::ErrorCode::kInvalidArgument, message);
}

Napi::Object ReadObject(Napi::Value value, const char* name) {
  if (!value.IsObject()) ThrowInvalid(name, "an object", value);
  return value.As<Napi::Object>();
}

Napi::Array ReadArray(Napi::Value value, const char* name) {
  if (!value.IsArray()) ThrowInvalid(name, "an array", value);
  return value.As<Napi::Array>();
}

std::string ReadString(Napi::Value value, const char* name) {
  if (!value.IsString()) ThrowInvalid(name, "a string", value);
  return value.As<Napi::String>().Utf8Value();
}

double ReadFinite(Napi::Value value, const char* name) {
  if (!value.IsNumber() || !std::isfinite(value.As<Napi::Number>().DoubleValue())) {
    ThrowInvalid(name, "a finite number", value);
  }
  return value.As<Napi::Number>().DoubleValue();
}

int64_t ReadInteger(Napi::Value value, const char* name, int64_t least, int64_t most) {
  const auto fail = [&] {
    ThrowInvalid(name, "an integer from " + std::to_string(least) + " to " + std::to_string(most),
                 value);
  };
  if (!value.IsNumber()) fail();
  const double number = value.As<Napi::Number>().DoubleValue();
  const bool inside = number >= static_cast<double>(least) && number <= static_cast<double>(most);
  if (!inside || number != std::trunc(number)) fail();
  return static_cast<int64_t>(number);
}

runtime::Shape ReadShape(Napi::Value value, const char* name) {
  const auto array = ReadArray(value, name);
  runtime::Shape shape;
  int64_t elements = 1;
  for (uint32_t axis = 0; axis < array.Length(); ++axis) {
    shape.push_back(ReadInteger(array.Get(axis), name, 0, kMaxSafeInteger));
    if (__builtin_mul_overflow(elements, shape.back(), &elements) || elements > kMaxSafeInteger) {
      ThrowInvalid(name, "the shape of a tensor that can be", value);
    }
  }
  return shape;
}

std::vector<float> ReadFloats(Napi::Value value, const char* name) {
  auto elements = ReadElements<float>(value, napi_float32_array);
  if (!elements) ThrowInvalid(name, "a Float32Array", value);
  return std::move(*elements);
}

std::vector<int> ReadCpus(Napi::Value value, const char* name) {
  if (value.IsUndefined()) return {};
  const auto array = ReadArray(value, name);
  if (array.Length() == 0) ThrowInvalid("Expected " + std::string(name) + " to have CPUs");
  std::vector<int> cpus;
  for (uint32_t index = 0; index < array.Length(); ++index) {
    cpus.push_back(static_cast<int>(ReadInteger(array.Get(index), name, 0, kMaxCpu)));
  }
  return cpus;
}

runtime::HostTensor ReadHostTensor(Napi::Value value, const char* name) {
  const auto object = ReadObject(value, name);
  runtime::HostTensor tensor;
  tensor.shape = ReadShape(object.Get("shape"), "shape");
  const auto dtype = ReadString(object.Get("dtype"), "dtype");
  const auto data = object.Get("data");
  size_t received = 0;
  if (dtype == "float32") {
    auto elements = ReadFloats(data, "data");
    received = elements.size();
    tensor.data = std::move(elements);
  } else if (dtype == "int64") {
    auto elements = ReadElements<int32_t>(data, napi_int32_array);
    if (!elements) ThrowInvalid("data", "an Int32Array", data);
    received = elements->size();
    tensor.data = std::move(*elements);
  } else {
    ThrowInvalid("dtype", "one of float32, int64", object.Get("dtype"));
  }
  if (const auto wanted = runtime::VolumeOf(tensor.shape);
      static_cast<int64_t>(received) != wanted) {
    ThrowInvalid("Expected data to have " + std::to_string(wanted) + " elements but received " +
                 std::to_string(received));
  }
  return tensor;
}

runtime::Dtype ReadDtype(Napi::Value value, const char* name) {
  using runtime::Dtype;
  constexpr std::pair<const char*, Dtype> kDtypes[] = {
      {"float32", Dtype::kFloat32}, {"float16", Dtype::kFloat16}, {"bfloat16", Dtype::kBFloat16}};
  return ReadChoice(value, name, kDtypes);
}

namespace {

runtime::StoredTensor ReadStoredTensor(Napi::Value value) {
  using runtime::StoredDtype;
  constexpr std::pair<const char*, StoredDtype> kStored[] = {
      {"F64", StoredDtype::kFloat64}, {"F32", StoredDtype::kFloat32},
      {"F16", StoredDtype::kFloat16}, {"BF16", StoredDtype::kBFloat16},
      {"I64", StoredDtype::kInt64},   {"I32", StoredDtype::kInt32}};
  const auto object = ReadObject(value, "weights[]");
  const auto size = [&object](const char* name) {
    return static_cast<uint64_t>(ReadInteger(object.Get(name), name, 0, kMaxSafeInteger));
  };
  return {ReadString(object.Get("file"), "weights[].file"),
          ReadChoice(object.Get("dtype"), "weights[].dtype", kStored),
          ReadShape(object.Get("shape"), "weights[].shape"), size("offset"), size("bytes")};
}

runtime::WeightBinding ReadWeightBinding(Napi::Value value) {
  const auto object = ReadObject(value, "weights[]");
  runtime::WeightBinding binding;
  binding.name = ReadString(object.Get("name"), "weights[].name");
  binding.stored = ReadStoredTensor(value);
  if (const Napi::Value mix = object.Get("mix"); !mix.IsUndefined()) {
    const auto mixed = ReadObject(mix, "weights[].mix");
    binding.mix = {ReadStoredTensor(mixed.Get("other")),
                   ReadFinite(mixed.Get("weight"), "weights[].mix.weight")};
  }
  if (const Napi::Value deltas = object.Get("deltas"); !deltas.IsUndefined()) {
    const auto array = ReadArray(deltas, "weights[].deltas");
    for (uint32_t index = 0; index < array.Length(); ++index) {
      const auto delta = ReadObject(array.Get(index), "weights[].deltas[]");
      binding.deltas.push_back({ReadStoredTensor(delta.Get("up")),
                                ReadStoredTensor(delta.Get("down")),
                                ReadFinite(delta.Get("scale"), "weights[].deltas[].scale")});
    }
  }
  return binding;
}

runtime::Packing ReadPacking(Napi::Value value) {
  const auto name = ReadString(value, "kernels.pack");
  if (name == "none") return runtime::Packing::kNone;
  if (name == "full") return runtime::Packing::kFull;
  if (name == "int8") return runtime::Packing::kInt8;
  if (name == "bytes") return runtime::Packing::kBytes;
  ThrowInvalid("kernels.pack", "none, full, int8 or bytes", value);
}

}  // namespace

std::optional<runtime::KernelOptions> ReadKernelOptions(Napi::Value value) {
  if (value.IsNull()) return std::nullopt;
  const auto object = ReadObject(value, "kernels");
  runtime::KernelOptions options{
      ReadString(object.Get("kind"), "kernels.kind"), ReadPacking(object.Get("pack")), {}};
  const auto names = ReadArray(object.Get("without"), "kernels.without");
  for (uint32_t index = 0; index < names.Length(); ++index) {
    options.without.push_back(ReadString(names.Get(index), "kernels.without[]"));
  }
  return options;
}

runtime::BlockFacts ReadBlockFacts(Napi::Value value) {
  runtime::BlockFacts facts;
  if (value.IsUndefined()) return facts;
  const auto object = ReadObject(value, "blocks");
  const auto paths = ReadArray(object.Get("beforeText"), "blocks.beforeText");
  for (uint32_t index = 0; index < paths.Length(); ++index) {
    facts.before_text.push_back(ReadString(paths.Get(index), "blocks.beforeText[]"));
  }
  const auto mappers = ReadObject(object.Get("mappers"), "blocks.mappers");
  const auto levels = mappers.GetPropertyNames();
  for (uint32_t index = 0; index < levels.Length(); ++index) {
    const Napi::Value level = levels.Get(index);
    facts.mappers.emplace(ReadString(level, "blocks.mappers"),
                          ReadString(mappers.Get(level), "blocks.mappers{}"));
  }
  return facts;
}

std::vector<runtime::CompiledMethod> ReadCompiledMethods(Napi::Value value) {
  if (value.IsUndefined()) return {};
  const auto array = ReadArray(value, "compiled");
  std::vector<runtime::CompiledMethod> methods;
  for (uint32_t index = 0; index < array.Length(); ++index) {
    const auto object = ReadObject(array.Get(index), "compiled[]");
    methods.push_back({ReadString(object.Get("method"), "compiled[].method"),
                       ReadString(object.Get("file"), "compiled[].file")});
  }
  return methods;
}

std::vector<runtime::WeightBinding> ReadWeightBindings(Napi::Value value) {
  const auto array = ReadArray(value, "weights");
  std::vector<runtime::WeightBinding> bindings;
  for (uint32_t index = 0; index < array.Length(); ++index) {
    bindings.push_back(ReadWeightBinding(array.Get(index)));
  }
  return bindings;
}

std::vector<runtime::PackedTensor> ReadPackedTensors(Napi::Value value) {
  const auto array = ReadArray(value, "packed");
  std::vector<runtime::PackedTensor> packed;
  for (uint32_t index = 0; index < array.Length(); ++index) {
    const auto object = ReadObject(array.Get(index), "packed[]");
    const auto size = [&object](const char* name) {
      return static_cast<uint64_t>(ReadInteger(object.Get(name), name, 0, kMaxSafeInteger));
    };
    packed.push_back({ReadString(object.Get("name"), "packed[].name"),
                      ReadString(object.Get("file"), "packed[].file"), size("offset"),
                      size("bytes")});
  }
  return packed;
}

}  // namespace wuerstchen::binding
