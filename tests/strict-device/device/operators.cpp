// The operators that are the device's own: making memory and looking at it in another shape. All other views of PyTorch are
// composites over these.
#include <ATen/ATen.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/ops/_local_scalar_dense_native.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/set_native.h>
#include <ATen/ops/view_native.h>
#include <torch/library.h>

#include "launch.h"
#include "tensors.h"

namespace strict {

namespace {

using c10::IntArrayRef;
using c10::SymIntArrayRef;
template <typename T>
using Optional = std::optional<T>;

at::Tensor empty(IntArrayRef sizes, Optional<c10::ScalarType> dtype, Optional<c10::Layout>, Optional<c10::Device>,
                 Optional<bool>, Optional<c10::MemoryFormat> format) {
  auto made = emptyOnDevice(sizes, c10::dtype_or_default(dtype));
  if (format.has_value()) made.unsafeGetTensorImpl()->empty_tensor_restride(*format);
  return made;
}

at::Tensor emptyStrided(IntArrayRef sizes, IntArrayRef strides, Optional<c10::ScalarType> dtype,
                        Optional<c10::Layout>, Optional<c10::Device>, Optional<bool>) {
  return emptyOnDevice(sizes, strides, c10::dtype_or_default(dtype));
}

at::Tensor asStrided(const at::Tensor& x, SymIntArrayRef sizes, SymIntArrayRef strides, Optional<c10::SymInt> offset) {
  return at::native::as_strided_tensorimpl(
      x, C10_AS_INTARRAYREF_SLOW(sizes), C10_AS_INTARRAYREF_SLOW(strides),
      offset.has_value() ? Optional<int64_t>(offset->expect_int()) : std::nullopt);
}

at::Tensor view(const at::Tensor& x, SymIntArrayRef sizes) {
  return at::native::view(x, C10_AS_INTARRAYREF_SLOW(sizes));
}

at::Tensor reshapeAlias(const at::Tensor& x, SymIntArrayRef sizes, SymIntArrayRef strides) {
  return at::native::_reshape_alias(x, C10_AS_INTARRAYREF_SLOW(sizes), C10_AS_INTARRAYREF_SLOW(strides));
}

/// PyTorch's own would move the bytes by a host copy.
const at::Tensor& resize(const at::Tensor& x, SymIntArrayRef symSizes, Optional<c10::MemoryFormat>) {
  const auto sizes = C10_AS_INTARRAYREF_SLOW(symSizes);
  if (x.sizes() == sizes) return x;
  x.unsafeGetTensorImpl()->set_sizes_contiguous(sizes);
  const size_t bytes = (x.storage_offset() + x.numel()) * x.element_size();
  if (bytes > x.storage().nbytes()) at::detail::getPrivateUse1Hooks().resizePrivateUse1Bytes(x.storage(), bytes);
  return x;
}

at::Tensor& setStorage(at::Tensor& x, at::Storage source, c10::SymInt offset, SymIntArrayRef sizes,
                       SymIntArrayRef strides) {
  auto* impl = x.unsafeGetTensorImpl();
  TORCH_CHECK(source.device() == x.device(), "strict: set_ with memory of ", source.device());
  impl->set_storage_keep_dtype(std::move(source));
  impl->set_sizes_and_strides(C10_AS_INTARRAYREF_SLOW(sizes), C10_AS_INTARRAYREF_SLOW(strides), offset.expect_int());
  return x;
}

at::Tensor& setTensor(at::Tensor& x, const at::Tensor& source) { return at::native::set_tensor_(x, source); }

at::Scalar localScalar(const at::Tensor& x) {
  waitForDevice("item");
  return at::native::_local_scalar_dense_cpu(hostAlias(x));
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  library.impl("empty.memory_format", empty);
  library.impl("empty_strided", emptyStrided);
  library.impl("as_strided", asStrided);
  library.impl("view", view);
  library.impl("_reshape_alias", reshapeAlias);
  library.impl("resize_", resize);
  library.impl("set_.source_Storage_storage_offset", setStorage);
  library.impl("set_.source_Tensor", setTensor);
  library.impl("_local_scalar_dense", localScalar);
}

}  // namespace

}  // namespace strict
