// Reads JavaScript values. Every function throws kInvalidArgument with the name, what was expected
// and what was received. JavaScript thread only.
#ifndef CPP_BINDING_ARGUMENTS_H_
#define CPP_BINDING_ARGUMENTS_H_

#include <napi.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/runtime.h"

namespace wuerstchen::binding {

[[noreturn]] void ThrowInvalid(const std::string& name, const std::string& expected,
                               Napi::Value received);
[[noreturn]] void ThrowInvalid(const std::string& message);

constexpr int64_t kMaxSafeInteger = (int64_t{1} << 53) - 1;

Napi::Object ReadObject(Napi::Value value, const char* name);
Napi::Array ReadArray(Napi::Value value, const char* name);
std::string ReadString(Napi::Value value, const char* name);
double ReadFinite(Napi::Value value, const char* name);
int64_t ReadInteger(Napi::Value value, const char* name, int64_t least, int64_t most);
// Lengths that are not negative and whose product is a safe integer.
runtime::Shape ReadShape(Napi::Value value, const char* name);
std::vector<float> ReadFloats(Napi::Value value, const char* name);
runtime::HostTensor ReadHostTensor(Napi::Value value, const char* name);
runtime::Dtype ReadDtype(Napi::Value value, const char* name);
std::optional<runtime::KernelOptions> ReadKernelOptions(Napi::Value value);  // null for none
std::vector<runtime::CompiledMethod> ReadCompiledMethods(Napi::Value value);
std::vector<runtime::WeightBinding> ReadWeightBindings(Napi::Value value);

// The product of the lengths.
int64_t Elements(const runtime::Shape& shape);

}  // namespace wuerstchen::binding

#endif  // CPP_BINDING_ARGUMENTS_H_
