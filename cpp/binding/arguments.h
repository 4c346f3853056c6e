// Reads JavaScript values. Every function throws kInvalidArgument with the name, what was expected
// and what was received. JavaScript thread only.
#ifndef CPP_BINDING_ARGUMENTS_H_
#define CPP_BINDING_ARGUMENTS_H_

#include <napi.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/numbers.h"
#include "runtime/runtime.h"

namespace wuerstchen::binding {

using runtime::kMaxSafeInteger;

[[noreturn]] void ThrowInvalid(const std::string& name, const std::string& expected,
                               Napi::Value received);
[[noreturn]] void ThrowInvalid(const std::string& message);

Napi::Object ReadObject(Napi::Value value, const char* name);
Napi::Array ReadArray(Napi::Value value, const char* name);
std::string ReadString(Napi::Value value, const char* name);
double ReadFinite(Napi::Value value, const char* name);
int64_t ReadInteger(Napi::Value value, const char* name, int64_t least, int64_t most);
// Lengths that are not negative and whose product is a safe integer.
runtime::Shape ReadShape(Napi::Value value, const char* name);
std::vector<float> ReadFloats(Napi::Value value, const char* name);
std::vector<int> ReadCpus(Napi::Value value, const char* name);  // undefined for none
runtime::HostTensor ReadHostTensor(Napi::Value value, const char* name);
runtime::Dtype ReadDtype(Napi::Value value, const char* name);
std::optional<runtime::KernelOptions> ReadKernelOptions(Napi::Value value);  // null for none
runtime::BlockFacts ReadBlockFacts(Napi::Value value);                       // undefined for none
std::vector<runtime::CompiledMethod> ReadCompiledMethods(Napi::Value value);
std::vector<runtime::WeightBinding> ReadWeightBindings(Napi::Value value);
std::vector<runtime::PackedTensor> ReadPackedTensors(Napi::Value value);

}  // namespace wuerstchen::binding

#endif  // CPP_BINDING_ARGUMENTS_H_
