// Making device tensors, and looking at their bytes from the host.
#include "tensors.h"

#include <ATen/EmptyTensor.h>

#include "memory.h"

namespace strict {

at::Tensor hostAlias(const at::Tensor& tensor) {
  if (!isOnDevice(tensor)) return tensor;
  const auto options = at::TensorOptions().dtype(tensor.scalar_type());
  if (tensor.numel() == 0) return at::empty_strided(tensor.sizes(), tensor.strides(), options);
  const auto keepAlive = [storage = tensor.storage()](void*) {};
  return at::from_blob(bytesBehind(tensor.data_ptr()), tensor.sizes(), tensor.strides(), keepAlive, options);
}

at::Tensor onDevice(const at::Tensor& tensor) {
  if (!tensor.defined() || isOnDevice(tensor)) return tensor;
  auto made = emptyOnDevice(tensor.sizes(), tensor.strides(), tensor.scalar_type());
  if (tensor.numel() > 0) hostAlias(made).copy_(tensor);
  return made;
}

namespace {
const c10::DispatchKeySet KEYS(c10::DispatchKey::PrivateUse1);
}

at::Tensor emptyOnDevice(c10::IntArrayRef sizes, c10::ScalarType dtype) {
  return at::detail::empty_generic(sizes, &deviceAllocator(), KEYS, dtype, std::nullopt);
}

at::Tensor emptyOnDevice(c10::IntArrayRef sizes, c10::IntArrayRef strides, c10::ScalarType dtype) {
  return at::detail::empty_strided_generic(sizes, strides, &deviceAllocator(), KEYS, dtype);
}

}  // namespace strict
