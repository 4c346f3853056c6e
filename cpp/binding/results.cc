#include "binding/results.h"

#include <algorithm>

#include "binding/arguments.h"

namespace wuerstchen::binding {

Napi::Value PresentNothing(Napi::Env env, bool) {
  return env.Undefined();
}

Napi::Value PresentPixels(Napi::Env env, runtime::HostArray<uint8_t>& pixels) {
  auto* const bytes = pixels.data.get();
  auto picture = Napi::Object::New(env);
  picture.Set("data", Napi::Buffer<uint8_t>::NewOrCopy(
                          env, bytes, pixels.size,
                          [owner = pixels.data](Napi::Env, uint8_t*) mutable { owner.reset(); }));
  picture.Set("width", static_cast<double>(pixels.shape[1]));
  picture.Set("height", static_cast<double>(pixels.shape[0]));
  return picture;
}

Napi::Value PresentNumbers(Napi::Env env, runtime::HostArray<float>& numbers) {
  auto data = Napi::Float32Array::New(env, numbers.size);
  std::copy_n(numbers.data.get(), numbers.size, data.Data());
  auto object = Napi::Object::New(env);
  object.Set("shape", ToArray(env, numbers.shape));
  object.Set("data", data);
  return object;
}

}  // namespace wuerstchen::binding
