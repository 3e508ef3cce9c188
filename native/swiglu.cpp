// The gated activation of an MLP in one pass, with gradients:
//
//   twgrpo::swiglu(gate, up) -> Tensor      silu(gate) * up
//
// As single operators it keeps silu(gate) for the way back, which is as large as the MLP's widest tensor; and a processor reads and
// writes memory twice as often.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include "few_rows.h"

namespace twgrpo {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

/// Numbers a thread should have.
constexpr int64_t GRAIN = 1 << 14;

struct Swiglu : torch::autograd::Function<Swiglu> {
  static Variable forward(AutogradContext* ctx, const Variable& gate, const Variable& up) {
    at::AutoDispatchBelowADInplaceOrView guard;
    ctx->save_for_backward({gate, up});
    auto y = at::empty_like(gate);
    const float *g = gate.const_data_ptr<float>(), *u = up.const_data_ptr<float>();
    float* to = y.data_ptr<float>();
    at::parallel_for(0, y.numel(), GRAIN, [&](int64_t begin, int64_t end) {
      fewRows().swiglu(g + begin, u + begin, end - begin, to + begin);
    });
    return y;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const auto saved = ctx->get_saved_variables();
    const auto gradient = gradients[0].contiguous();
    auto dGate = at::empty_like(saved[0]), dUp = at::empty_like(saved[1]);
    const float *d = gradient.const_data_ptr<float>(), *g = saved[0].const_data_ptr<float>(),
                *u = saved[1].const_data_ptr<float>();
    float *toGate = dGate.data_ptr<float>(), *toUp = dUp.data_ptr<float>();
    at::parallel_for(0, dGate.numel(), GRAIN, [&](int64_t begin, int64_t end) {
      fewRows().swigluBackward(d + begin, g + begin, u + begin, end - begin, toGate + begin, toUp + begin);
    });
    return {dGate, dUp};
  }
};

/// By libtorch's operators, on any device: silu(gate) is computed again on the way back.
struct WideSwiglu : torch::autograd::Function<WideSwiglu> {
  static Variable forward(AutogradContext* ctx, const Variable& gate, const Variable& up) {
    at::AutoDispatchBelowADInplaceOrView guard;
    ctx->save_for_backward({gate, up});
    return at::silu(gate).mul_(up);
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const auto saved = ctx->get_saved_variables();
    const auto &gate = saved[0], &up = saved[1];
    auto dUp = at::silu(gate).mul_(gradients[0]);
    auto dGate = gradients[0].mul(up);
    at::silu_backward_out(dGate, dGate, gate);
    return {dGate, dUp};
  }
};

at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up) {
  TORCH_CHECK(gate.sizes() == up.sizes(), "gate ", gate.sizes(), " and up ", up.sizes(), " must have the same shape");
  const auto isPlain = [](const at::Tensor& t) { return t.is_cpu() && t.scalar_type() == at::kFloat && t.is_contiguous(); };
  return isPlain(gate) && isPlain(up) ? Swiglu::apply(gate, up) : WideSwiglu::apply(gate, up);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(twgrpo, library) { library.def("swiglu(Tensor gate, Tensor up) -> Tensor", &swiglu); }

}  // namespace twgrpo
