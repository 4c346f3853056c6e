#include "runtime/weights.h"

#include <ATen/ops/add.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/lerp.h>
#include <ATen/ops/matmul.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace wuerstchen::runtime {
namespace {

[[noreturn]] void Fail(const std::string& message) {
  throw Error(ErrorCode::kWeightsFailed, message);
}

[[noreturn]] void FailBySystem(const std::string& path) {
  Fail("Could not map " + path + ": " + std::strerror(errno));
}

class Descriptor {
 public:
  explicit Descriptor(const std::string& path) : value_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (value_ < 0) FailBySystem(path);
  }
  ~Descriptor() { close(value_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int value() const { return value_; }

 private:
  int value_;
};

at::ScalarType ScalarTypeOf(StoredDtype dtype) {
  switch (dtype) {
    case StoredDtype::kFloat64:
      return at::kDouble;
    case StoredDtype::kFloat32:
      return at::kFloat;
    case StoredDtype::kFloat16:
      return at::kHalf;
    case StoredDtype::kBFloat16:
      return at::kBFloat16;
    case StoredDtype::kInt64:
      return at::kLong;
    case StoredDtype::kInt32:
      return at::kInt;
  }
  throw Error(ErrorCode::kInternal, "Unknown stored dtype. This is a bug.");
}

// The bytes of a weight, or nothing if its shape cannot be.
std::optional<uint64_t> BytesOf(const Shape& shape, at::ScalarType stored) {
  uint64_t bytes = c10::elementSize(stored);
  for (const int64_t length : shape) {
    if (length < 0 || __builtin_mul_overflow(bytes, static_cast<uint64_t>(length), &bytes)) {
      return std::nullopt;
    }
  }
  return bytes;
}

void CheckExtent(const std::string& name, const StoredTensor& stored, const Mapping& mapping) {
  if (BytesOf(stored.shape, ScalarTypeOf(stored.dtype)) != stored.bytes) {
    Fail("Expected the bytes of " + name + " to follow from its shape and type but received " +
         std::to_string(stored.bytes));
  }
  if (stored.offset > mapping.size() || stored.bytes > mapping.size() - stored.offset) {
    Fail("Expected " + stored.file + " to hold " + std::to_string(stored.bytes) + " bytes of " +
         name + " at " + std::to_string(stored.offset) + " but it ends at " +
         std::to_string(mapping.size()));
  }
}

// The stored numbers, without a copy if their address is one that numbers of their kind may have.
at::Tensor View(WeightFiles& files, const std::string& name, const StoredTensor& stored) {
  const auto mapping = files.Open(stored.file);
  CheckExtent(name, stored, *mapping);
  const auto type = ScalarTypeOf(stored.dtype);
  std::byte* bytes = mapping->data() + stored.offset;
  if (stored.offset % c10::elementSize(type) == 0) {
    return at::from_blob(bytes, stored.shape, [mapping](void*) {}, type);
  }
  auto copy = at::empty(stored.shape, type);
  std::memcpy(copy.mutable_data_ptr(), bytes, stored.bytes);
  return copy;
}

// The binding's numbers in float32, moved and changed. One tensor at a time: nothing else is held.
at::Tensor Compute(WeightFiles& files, const WeightBinding& binding, at::Tensor base) {
  auto result = base.to(at::kFloat);
  if (binding.mix) {
    const auto other = View(files, binding.name, binding.mix->other);
    if (other.sizes() != base.sizes()) Fail("Expected both of " + binding.name + " of one shape");
    result = at::lerp(result, other.to(at::kFloat), binding.mix->weight);
  }
  for (const auto& [stored_up, stored_down, scale] : binding.deltas) {
    const auto up = View(files, binding.name, stored_up).to(at::kFloat).flatten(1);
    const auto down = View(files, binding.name, stored_down).to(at::kFloat).flatten(1);
    const auto change = at::matmul(up, down);
    if (change.numel() != base.numel()) Fail("Expected a change of the shape of " + binding.name);
    if (!at::isfinite(change).all().item<bool>()) {
      Fail("Expected finite numbers in the change of " + binding.name);
    }
    result = at::add(result, change.view_as(result), scale);
  }
  return result;
}

}  // namespace

Mapping::Mapping(const std::string& path, int descriptor, size_t size, bool read_ahead)
    : size_(size) {
  void* address = mmap(nullptr, size, PROT_READ, MAP_SHARED, descriptor, 0);
  if (address == MAP_FAILED) FailBySystem(path);
  data_ = static_cast<std::byte*>(address);
  if (read_ahead) madvise(address, size, MADV_WILLNEED);
}

Mapping::~Mapping() {
  munmap(data_, size_);
}

std::shared_ptr<Mapping> WeightFiles::Open(const std::string& path) {
  const Descriptor descriptor(path);
  struct stat status = {};
  if (fstat(descriptor.value(), &status) != 0) FailBySystem(path);
  if (!S_ISREG(status.st_mode)) Fail("Expected " + path + " to be a file");
#ifdef __APPLE__
  const auto modified = status.st_mtimespec;
#else
  const auto modified = status.st_mtim;
#endif
  const auto size = static_cast<uint64_t>(status.st_size);
  if (size == 0) Fail("Expected " + path + " to hold weights but it is empty");
  std::erase_if(open_, [](const auto& entry) { return entry.second.expired(); });
  auto& known =
      open_[{path, status.st_dev, status.st_ino, size, modified.tv_sec, modified.tv_nsec}];
  auto mapping = known.lock();
  if (mapping == nullptr) {
    mapping = std::make_shared<Mapping>(path, descriptor.value(), size, read_ahead);
    known = mapping;
  }
  return mapping;
}

bool WeightFiles::Cover(const at::Tensor& tensor) const {
  const auto* first = static_cast<const std::byte*>(tensor.storage().data());
  return std::any_of(open_.begin(), open_.end(), [first](const auto& entry) {
    const auto mapping = entry.second.lock();
    return mapping != nullptr && first >= mapping->data() &&
           first < mapping->data() + mapping->size();
  });
}

Weight ReadWeight(WeightFiles& files, const WeightBinding& binding, const at::Tensor& placeholder,
                  at::ScalarType dtype, c10::Device device) {
  const auto stored = ScalarTypeOf(binding.stored.dtype);
  if (placeholder.is_floating_point() != c10::isFloatingType(stored)) {
    Fail("Expected " + binding.name + " to be stored as " +
         (placeholder.is_floating_point() ? "floating numbers" : "integers") + " but received " +
         c10::toString(stored));
  }
  const auto view = View(files, binding.name, binding.stored);
  const bool computed = binding.mix.has_value() || !binding.deltas.empty();
  const auto numbers = computed ? Compute(files, binding, view) : view;
  const auto wanted = placeholder.is_floating_point() ? dtype : placeholder.scalar_type();
  auto tensor = numbers.to(device, wanted);
  const auto mapping = files.Open(binding.stored.file);
  const auto* first = static_cast<const std::byte*>(tensor.const_data_ptr());
  const bool mapped = device.is_cpu() && first == mapping->data() + binding.stored.offset;
  return {std::move(tensor), !mapped};
}

}  // namespace wuerstchen::runtime
