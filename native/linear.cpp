// Linear layers by oneDNN where it beats the BLAS that libtorch was built with:
//
//   twgrpo::linear(x, weight, bias?) -> Tensor
//
// libtorch gives float32 products to MKL, which holds back on processors of other makers (an AMD Zen 5 gets AVX2 kernels),
// while oneDNN, which is in the same library, generates code for the processor it finds. On that Zen 5 it was measured at 1.2 to 2.3
// times MKL's speed for the products of a training step, on a Zen 4 at 0.92 to 1.24 times; other makers' have not been measured.
//
// Shapes: x (..., in), weight (out, in), bias (out).
#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

namespace twgrpo {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

/// oneDNN generates code for each new shape, about a millisecond of work; below this many multiplications BLAS is done by then.
constexpr int64_t WORTH_A_KERNEL = int64_t(1) << 26;

using Pointwise = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&, std::string_view,
                             c10::List<std::optional<at::Scalar>>, std::optional<std::string_view>);

/// libtorch's own operator for a linear layer by oneDNN; nothing in builds without.
const std::optional<c10::TypedOperatorHandle<Pointwise>>& oneDnn() {
  static const auto found = []() -> std::optional<c10::TypedOperatorHandle<Pointwise>> {
    if (!at::hasMKLDNN()) return {};
    const auto schema = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
    if (!schema.has_value()) return {};
    return schema->typed<Pointwise>();
  }();
  return found;
}

/// x W^T + b for x (M, in), without gradient.
at::Tensor product(const at::Tensor& x, const at::Tensor& weight, const std::optional<at::Tensor>& bias = {}) {
  if (!oneDnn().has_value() || x.numel() * weight.size(0) < WORTH_A_KERNEL) return at::linear(x, weight, bias);
  return oneDnn()->call(x, weight, bias, "none", c10::List<std::optional<at::Scalar>>(), std::nullopt);
}

struct Linear : torch::autograd::Function<Linear> {
  static Variable forward(AutogradContext* ctx, const Variable& x, const Variable& weight,
                          const std::optional<Variable>& bias) {
    at::AutoDispatchBelowADInplaceOrView guard;
    ctx->save_for_backward({x, weight});
    ctx->saved_data["hasBias"] = bias.has_value();
    auto flat = x.reshape({-1, x.size(-1)});
    auto y = product(flat, weight, bias);
    auto sizes = x.sizes().vec();
    sizes.back() = weight.size(0);
    return y.view(sizes);
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const auto saved = ctx->get_saved_variables();
    const auto &x = saved[0], &weight = saved[1];
    const auto gradient = gradients[0].reshape({-1, weight.size(0)});
    Variable dx, dWeight, dBias;
    if (ctx->needs_input_grad(0)) dx = product(gradient, weight.t()).view(x.sizes());
    if (ctx->needs_input_grad(1)) dWeight = product(gradient.t(), x.reshape({-1, x.size(-1)}).t());
    if (ctx->saved_data["hasBias"].toBool() && ctx->needs_input_grad(2)) dBias = gradient.sum(0);
    return {dx, dWeight, dBias};
  }
};

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const std::optional<at::Tensor>& bias) {
  TORCH_CHECK(x.dim() >= 1 && weight.dim() == 2 && x.size(-1) == weight.size(1), "x ", x.sizes(), " and weight ",
              weight.sizes(), " do not fit: the last dimensions must be equal");
  const bool isPlain = x.is_cpu() && x.scalar_type() == at::kFloat && weight.scalar_type() == at::kFloat;
  if (!isPlain || x.numel() * weight.size(0) < WORTH_A_KERNEL) return at::linear(x, weight, bias);
  return Linear::apply(x, weight, bias);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(twgrpo, library) {
  library.def("linear(Tensor x, Tensor weight, Tensor? bias) -> Tensor", &linear);
}

}  // namespace twgrpo
