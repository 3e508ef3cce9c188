// Autograd: gradient mode, leaves, backward and grad.
#include "autograd.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/variable.h>

#include "tensor_table.h"

namespace twgrpo {

namespace {

/// A list of tensors in which null stands for "no gradient".
std::vector<at::Tensor> toOptionalTensors(napi_env env, napi_value value) {
  std::vector<at::Tensor> tensors;
  for (auto item : toList(env, value)) tensors.push_back(isNullish(env, item) ? at::Tensor() : toTensor(env, item));
  return tensors;
}

napi_value setGradEnabled(napi_env env, napi_callback_info info) {
  return guarded(env, "setGradEnabled", [&] {
    Arguments<1> args(env, info);
    bool previous = at::GradMode::is_enabled();
    at::GradMode::set_enabled(toBool(env, args[0]));
    return boolean(env, previous);
  });
}

napi_value isGradEnabled(napi_env env, napi_callback_info) {
  return guarded(env, "isGradEnabled", [&] { return boolean(env, at::GradMode::is_enabled()); });
}

napi_value requiresGrad(napi_env env, napi_callback_info info) {
  return guarded(env, "requires_grad", [&] {
    Arguments<1> args(env, info);
    return boolean(env, toTensor(env, args[0]).requires_grad());
  });
}

napi_value setRequiresGrad(napi_env env, napi_callback_info info) {
  return guarded(env, "requires_grad_", [&]() -> napi_value {
    Arguments<2> args(env, info);
    toTensor(env, args[0]).set_requires_grad(toBool(env, args[1]));
    return nullptr;
  });
}

napi_value isLeaf(napi_env env, napi_callback_info info) {
  return guarded(env, "is_leaf", [&] {
    Arguments<1> args(env, info);
    return boolean(env, toTensor(env, args[0]).is_leaf());
  });
}

napi_value gradOf(napi_env env, napi_callback_info info) {
  return guarded(env, "grad", [&] {
    Arguments<1> args(env, info);
    return fromTensor(env, toTensor(env, args[0]).grad());
  });
}

napi_value setGradOf(napi_env env, napi_callback_info info) {
  return guarded(env, "grad", [&]() -> napi_value {
    Arguments<2> args(env, info);
    const auto& tensor = toTensor(env, args[0]);
    auto value = isNullish(env, args[1]) ? at::Tensor() : toTensor(env, args[1]);
    if (value.defined() && (value.sizes() != tensor.sizes() || value.device() != tensor.device()))
      throw ArgumentError("a gradient must have the shape and device of its tensor");
    if (value.is_same(tensor)) throw ArgumentError("a tensor can't be its own gradient");
    tensor.mutable_grad() = value;
    return nullptr;
  });
}

/// backward(outputs, gradOutputs, retainGraph, createGraph, inputs)
napi_value backward(napi_env env, napi_callback_info info) {
  return guarded(env, "backward", [&]() -> napi_value {
    Arguments<5> args(env, info);
    torch::autograd::backward(toTensors(env, args[0]), toOptionalTensors(env, args[1]), toBool(env, args[2]),
                              toBool(env, args[3]), toTensors(env, args[4]));
    return nullptr;
  });
}

/// grad(outputs, inputs, gradOutputs, retainGraph, createGraph, allowUnused) -> gradients, null where unused
napi_value grad(napi_env env, napi_callback_info info) {
  return guarded(env, "grad", [&] {
    Arguments<6> args(env, info);
    auto gradients =
        torch::autograd::grad(toTensors(env, args[0]), toTensors(env, args[1]), toOptionalTensors(env, args[2]),
                              toBool(env, args[3]), toBool(env, args[4]), toBool(env, args[5]));
    std::vector<napi_value> items;
    for (auto& gradient : gradients) items.push_back(fromTensor(env, std::move(gradient)));
    return array(env, items);
  });
}

}  // namespace

void exportAutograd(napi_env env, napi_value exports) {
  exportFunction(env, exports, "setGradEnabled", setGradEnabled);
  exportFunction(env, exports, "isGradEnabled", isGradEnabled);
  exportFunction(env, exports, "requiresGrad", requiresGrad);
  exportFunction(env, exports, "setRequiresGrad", setRequiresGrad);
  exportFunction(env, exports, "isLeaf", isLeaf);
  exportFunction(env, exports, "gradOf", gradOf);
  exportFunction(env, exports, "setGradOf", setGradOf);
  exportFunction(env, exports, "backward", backward);
  exportFunction(env, exports, "grad", grad);
}

}  // namespace twgrpo
