// Memory of products that stays from one to the next.
#include <ATen/ops/empty.h>

#include <memory>
#include <new>

#include "runtime/blocks/product.h"
#include "runtime/numbers.h"

namespace wuerstchen::runtime::blocks {
namespace {

struct AlignedDelete {
  void operator()(float* memory) const { ::operator delete[](memory, std::align_val_t{64}); }
};

}  // namespace

float* Scratch(int64_t numbers) {
  thread_local std::unique_ptr<float[], AlignedDelete> memory;
  thread_local int64_t size = 0;
  if (size < numbers) {
    memory.reset(
        static_cast<float*>(::operator new[](numbers * sizeof(float), std::align_val_t{64})));
    size = numbers;
  }
  return memory.get();
}

float* Arena::Get(Slot slot, int64_t numbers) {
  auto& held = held_[slot];
  if (!held.defined() || held.numel() < numbers) {
    held.reset();  // first: not both at once
    held = at::empty({numbers}, at::kFloat);
  }
  return held.mutable_data_ptr<float>();
}

void* Arena::Get(Slot slot, int64_t numbers, const kernels::Kernels& kernels) {
  return GetBytes(slot, numbers * kernels.number_bytes());
}

char* Arena::GetBytes(Slot slot, int64_t bytes) {
  return reinterpret_cast<char*>(Get(slot, DivideUp(bytes, static_cast<int64_t>(sizeof(float)))));
}

int64_t Arena::bytes() const {
  int64_t sum = 0;
  for (const auto& held : held_) sum += held.defined() ? static_cast<int64_t>(held.nbytes()) : 0;
  return sum;
}

void Arena::Clear() {
  for (auto& held : held_) held.reset();
}

}  // namespace wuerstchen::runtime::blocks
