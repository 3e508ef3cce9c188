// Tensors of the device, and the same bytes as tensors of the CPU.
#pragma once

#include <ATen/ATen.h>

#include <optional>

namespace strict {

inline bool isOnDevice(const at::Tensor& tensor) { return tensor.defined() && tensor.is_privateuseone(); }

/// A CPU tensor over the same bytes, which it keeps alive. A tensor of the host is given back as it is.
at::Tensor hostAlias(const at::Tensor& tensor);
/// A copy on the device; undefined and device tensors are given back as they are.
at::Tensor onDevice(const at::Tensor& tensor);

at::Tensor emptyOnDevice(c10::IntArrayRef sizes, c10::ScalarType dtype);
at::Tensor emptyOnDevice(c10::IntArrayRef sizes, c10::IntArrayRef strides, c10::ScalarType dtype);

/// An operator's argument or result with each tensor in it, alone or in a list, replaced by `convert(tensor)`.
template <typename Convert>
c10::IValue mapTensors(const c10::IValue& value, const Convert& convert) {
  if (value.isTensor()) return convert(value.toTensor());
  if (value.isTensorList()) {
    c10::List<at::Tensor> list;
    for (const at::Tensor& tensor : value.toTensorVector()) list.push_back(convert(tensor));
    return list;
  }
  if (value.isOptionalTensorList()) {
    c10::List<std::optional<at::Tensor>> list;
    for (const std::optional<at::Tensor>& tensor : value.toOptionalTensorVector())
      list.push_back(tensor.has_value() ? std::optional<at::Tensor>(convert(*tensor)) : std::nullopt);
    return list;
  }
  return value;
}

/// Calls `visit(tensor)` for each tensor in an argument.
template <typename Visit>
void eachTensor(const c10::IValue& value, const Visit& visit) {
  mapTensors(value, [&](const at::Tensor& tensor) {
    visit(tensor);
    return tensor;
  });
}

}  // namespace strict
