// Memory of this process's own for large tensors that stay: weights that are no file's numbers. It
// is the system's and not the allocator's, which would keep most of it after it is freed: here what
// a tensor took is given back with the tensor, on whichever thread that is.
#ifndef CPP_RUNTIME_PRIVATE_MEMORY_H_
#define CPP_RUNTIME_PRIVATE_MEMORY_H_

#include <ATen/core/Tensor.h>

namespace wuerstchen::runtime {

// A tensor of the host, contiguous, of numbers that nobody has set. Until they are set it takes
// addresses, and hardly any memory. Throws kOutOfMemory.
at::Tensor AllocatePrivate(at::IntArrayRef shape, at::ScalarType type);

// Gives memory that the allocator keeps free back to the system.
void TrimAllocator();

}  // namespace wuerstchen::runtime

#endif  // CPP_RUNTIME_PRIVATE_MEMORY_H_
