// Autograd: gradient mode, leaves, backward and grad.
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/variable.h>

#include "tensor_table.h"

namespace twgrpo {

namespace {

at::Tensor toOptionalTensor(napi_env env, napi_value value) {
  return isNullish(env, value) ? at::Tensor() : toTensor(env, value);
}

/// A list of tensors in which null stands for "no gradient".
std::vector<at::Tensor> toOptionalTensors(napi_env env, napi_value value) {
  return collect<std::vector<at::Tensor>>(env, toList(env, value), toOptionalTensor);
}

EXPORTED(setGradEnabled, "setGradEnabled", 1) {
  bool previous = at::GradMode::is_enabled();
  at::GradMode::set_enabled(toBool(env, args[0]));
  return boolean(env, previous);
}

EXPORTED(isGradEnabled, "isGradEnabled", 0) { return boolean(env, at::GradMode::is_enabled()); }

EXPORTED(requiresGrad, "requires_grad", 1) { return boolean(env, toTensor(env, args[0]).requires_grad()); }

EXPORTED(setRequiresGrad, "requires_grad_", 2) {
  toTensor(env, args[0]).set_requires_grad(toBool(env, args[1]));
  return nullptr;
}

EXPORTED(isLeaf, "is_leaf", 1) { return boolean(env, toTensor(env, args[0]).is_leaf()); }

EXPORTED(gradOf, "grad", 1) { return fromTensor(env, toTensor(env, args[0]).grad()); }

EXPORTED(setGradOf, "grad", 2) {
  const auto& tensor = toTensor(env, args[0]);
  auto value = toOptionalTensor(env, args[1]);
  if (value.defined() && (value.sizes() != tensor.sizes() || value.device() != tensor.device()))
    throw ArgumentError("a gradient must have the shape and device of its tensor");
  if (value.is_same(tensor)) throw ArgumentError("a tensor can't be its own gradient");
  tensor.mutable_grad() = value;
  return nullptr;
}

/// backward(outputs, gradOutputs, retainGraph, createGraph, inputs)
EXPORTED(backward, "backward", 5) {
  torch::autograd::backward(toTensors(env, args[0]), toOptionalTensors(env, args[1]), toBool(env, args[2]),
                            toBool(env, args[3]), toTensors(env, args[4]));
  return nullptr;
}

/// grad(outputs, inputs, gradOutputs, retainGraph, createGraph, allowUnused) -> gradients, null where unused
EXPORTED(grad, "grad", 6) {
  auto gradients =
      torch::autograd::grad(toTensors(env, args[0]), toTensors(env, args[1]), toOptionalTensors(env, args[2]),
                            toBool(env, args[3]), toBool(env, args[4]), toBool(env, args[5]));
  std::vector<napi_value> items;
  for (auto& gradient : gradients) items.push_back(fromTensor(env, std::move(gradient)));
  return array(env, items);
}

}  // namespace

}  // namespace twgrpo
