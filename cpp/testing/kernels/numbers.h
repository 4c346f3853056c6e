// What the checks of kernels compute with: maps in the numbers of a table, noise to fill them, and
// how far an answer is from plain sums in double precision.
#ifndef CPP_TESTING_KERNELS_NUMBERS_H_
#define CPP_TESTING_KERNELS_NUMBERS_H_

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "runtime/kernels/kernels.h"

namespace wuerstchen::testing {

using runtime::kernels::Number;

using Doubles = std::vector<double>;

inline float FromBits(uint16_t bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

inline uint16_t BitsOf(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// Numbers of a map in the type of a table, and the same in double precision.
struct Numbers {
  Numbers(Number number, size_t count) : number(number), bytes(count * Size(number) + 64) {}
  static size_t Size(Number number) {
    return static_cast<size_t>(runtime::kernels::BytesOf(number));
  }

  void Set(size_t index, float value) {
    if (number == Number::kFloat32) {
      std::memcpy(bytes.data() + 4 * index, &value, 4);
    } else {
      const uint16_t narrow = BitsOf(value);
      std::memcpy(bytes.data() + 2 * index, &narrow, 2);
    }
  }
  double At(size_t index) const {
    float wide;
    uint16_t narrow;
    if (number == Number::kFloat32) {
      std::memcpy(&wide, bytes.data() + 4 * index, 4);
      return wide;
    }
    std::memcpy(&narrow, bytes.data() + 2 * index, 2);
    return FromBits(narrow);
  }
  void* From(size_t index) { return bytes.data() + index * Size(number); }

  Number number;
  std::vector<char> bytes;
};

// From -1 to 1, without a pattern.
class Noise {
 public:
  explicit Noise(uint32_t seed) : state_(seed) {}
  float Next() {
    state_ = state_ * 1664525u + 1013904223u;
    return static_cast<float>(state_ >> 8) / 8388608.0f - 1.0f;
  }
  Numbers Fill(Number number, size_t count) {
    Numbers numbers(number, count);
    for (size_t i = 0; i < count; ++i) numbers.Set(i, Next());
    return numbers;
  }
  std::vector<float> Floats(size_t count) {
    std::vector<float> numbers(count + 64);
    for (auto& number : numbers) number = Next();
    return numbers;
  }

 private:
  uint32_t state_;
};

inline double ErrorOf(const Numbers& got, const Doubles& want) {
  double square = 0, largest = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    square += want[i] * want[i];
    const double error = std::abs(got.At(i) - want[i]);
    if (!(error <= largest)) largest = error;  // NaN, too
  }
  return largest / std::sqrt(square / static_cast<double>(want.size()));
}

inline bool SameBits(const Numbers& all, size_t from, const Numbers& some, size_t count) {
  const size_t size = Numbers::Size(all.number);
  return std::memcmp(all.bytes.data() + from * size, some.bytes.data(), count * size) == 0;
}

inline double Gelu(double x) {
  return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
}

}  // namespace wuerstchen::testing

#endif  // CPP_TESTING_KERNELS_NUMBERS_H_
