// What CUDA has as one kernel and the CPU as several: norms, attention. One launch each, with the memory that CUDA takes.
//
// Numbers come from the CPU's operators, so float32 is fused here as well, which CUDA does not do.
#include "cuda_kernels.h"

#include <ATen/ATen.h>
#include <ATen/native/DispatchStub.h>
#include <ATen/native/transformers/attention.h>
#include <ATen/native/transformers/sdp_utils_cpp.h>
#include <torch/library.h>

#include <atomic>
#include <limits>

#include "dry.h"
#include "launch.h"
#include "tensors.h"

namespace strict {

namespace {

using at::Tensor;
using OptionalTensor = std::optional<Tensor>;

/// Launches unless dry. Kernels see host aliases of their tensors.
template <typename Work>
void launchUnlessDry(const char* name, std::initializer_list<Tensor> inputs, const Work& work) {
  if (isDry(inputs)) launch(name, [] {});
  else launch(name, work);
}

// ---- root mean square norm

std::tuple<Tensor, Tensor> rmsNorm(const Tensor& x, at::IntArrayRef, const OptionalTensor& weight,
                                   std::optional<double> eps) {
  auto statisticsShape = x.sizes().vec();
  statisticsShape.back() = 1;
  auto y = emptyOnDevice(x.sizes(), x.scalar_type());
  auto rstd = emptyOnDevice(statisticsShape, at::kFloat);
  const auto xHost = hostAlias(x), yHost = hostAlias(y), rstdHost = hostAlias(rstd);
  const auto weightHost = weight.has_value() ? hostAlias(*weight) : Tensor();
  const double epsilon = eps.value_or(std::numeric_limits<float>::epsilon());
  launchUnlessDry("_fused_rms_norm", {x}, [=] {
    const auto wide = xHost.to(at::kFloat);
    rstdHost.copy_(wide.square().mean(-1, true).add_(epsilon).rsqrt_());
    auto normed = wide.mul(rstdHost);
    if (weightHost.defined()) normed.mul_(weightHost.to(at::kFloat));
    yHost.copy_(normed);
  });
  return {y, rstd};
}

std::tuple<Tensor, Tensor> rmsNormBackward(const Tensor& dy, const Tensor& x, at::IntArrayRef, const Tensor& rstd,
                                           const OptionalTensor& weight, std::array<bool, 2> mask) {
  const bool hasWeight = weight.has_value() && weight->defined();
  const auto dx = mask[0] ? emptyOnDevice(x.sizes(), x.scalar_type()) : Tensor();
  const auto dw = mask[1] && hasWeight ? emptyOnDevice(weight->sizes(), weight->scalar_type()) : Tensor();
  const auto dyHost = hostAlias(dy), xHost = hostAlias(x), rstdHost = hostAlias(rstd);
  const auto dxHost = hostAlias(dx), dwHost = hostAlias(dw);
  const auto weightHost = hasWeight ? hostAlias(*weight) : Tensor();
  launchUnlessDry("_fused_rms_norm_backward", {x}, [=] {
    const auto normed = xHost.to(at::kFloat).mul_(rstdHost);
    const auto wide = dyHost.to(at::kFloat);
    if (dxHost.defined()) {
      const auto scaled = weightHost.defined() ? wide.mul(weightHost.to(at::kFloat)) : wide;
      dxHost.copy_(rstdHost.mul(scaled.sub(normed.mul(scaled.mul(normed).mean(-1, true)))));
    }
    if (dwHost.defined()) dwHost.copy_(wide.mul(normed).reshape({-1, xHost.size(-1)}).sum(0));
  });
  return {dx, dw};
}

// ---- layer norm

std::tuple<Tensor, Tensor, Tensor> layerNorm(const Tensor& x, at::IntArrayRef shape, const OptionalTensor& weight,
                                             const OptionalTensor& bias, double eps) {
  auto statisticsShape = x.sizes().vec();
  for (size_t i = statisticsShape.size() - shape.size(); i < statisticsShape.size(); i++) statisticsShape[i] = 1;
  auto y = emptyOnDevice(x.sizes(), x.scalar_type());
  auto mean = emptyOnDevice(statisticsShape, at::kFloat), rstd = emptyOnDevice(statisticsShape, at::kFloat);
  const auto hostOf = [](const OptionalTensor& t) {
    return t.has_value() && t->defined() ? OptionalTensor(hostAlias(*t)) : OptionalTensor();
  };
  const auto xHost = hostAlias(x), yHost = hostAlias(y), meanHost = hostAlias(mean), rstdHost = hostAlias(rstd);
  const auto weightHost = hostOf(weight), biasHost = hostOf(bias);
  const auto normed = shape.vec();
  launchUnlessDry("native_layer_norm", {x}, [=] {
    const auto [out, m, r] = at::native_layer_norm(xHost, normed, weightHost, biasHost, eps);
    yHost.copy_(out);
    meanHost.copy_(m);
    rstdHost.copy_(r);
  });
  return {y, mean, rstd};
}

std::tuple<Tensor, Tensor, Tensor> layerNormBackward(const Tensor& dy, const Tensor& x, at::IntArrayRef shape,
                                                     const Tensor& mean, const Tensor& rstd, const OptionalTensor& weight,
                                                     const OptionalTensor& bias, std::array<bool, 3> mask) {
  const auto like = [](bool isWanted, const OptionalTensor& t) {
    return isWanted && t.has_value() && t->defined() ? emptyOnDevice(t->sizes(), t->scalar_type()) : Tensor();
  };
  const auto dx = like(mask[0], x), dw = like(mask[1], weight), db = like(mask[2], bias);
  const auto hostOf = [](const OptionalTensor& t) {
    return t.has_value() && t->defined() ? OptionalTensor(hostAlias(*t)) : OptionalTensor();
  };
  const auto dyHost = hostAlias(dy), xHost = hostAlias(x), meanHost = hostAlias(mean), rstdHost = hostAlias(rstd);
  const auto weightHost = hostOf(weight), biasHost = hostOf(bias);
  const auto dxHost = hostAlias(dx), dwHost = hostAlias(dw), dbHost = hostAlias(db);
  const auto normed = shape.vec();
  launchUnlessDry("native_layer_norm_backward", {x}, [=] {
    const auto kept = [&](const Tensor& t) { return xHost.scalar_type() == at::kFloat ? t : t.to(xHost.scalar_type()); };
    const auto [a, b, c] = at::native_layer_norm_backward(dyHost.contiguous(), xHost, normed, kept(meanHost), kept(rstdHost),
                                                          weightHost, biasHost, mask);
    if (dxHost.defined()) dxHost.copy_(a);
    if (dwHost.defined()) dwHost.copy_(b);
    if (dbHost.defined()) dbHost.copy_(c);
  });
  return {dx, dw, db};
}

// ---- attention

struct Attended {
  Tensor out;
  Tensor lse;
};

Attended attend(const char* name, const Tensor& q, const Tensor& k, const Tensor& v, const OptionalTensor& mask,
                bool isCausal, std::optional<double> scale) {
  // Flash attention lays out its result as (B, S, H, E), seen as (B, H, S, E).
  auto out = emptyOnDevice({q.size(0), q.size(2), q.size(1), q.size(3)}, q.scalar_type()).transpose(1, 2);
  auto lse = emptyOnDevice({q.size(0), q.size(1), q.size(2)}, at::kFloat);
  const auto qHost = hostAlias(q), kHost = hostAlias(k), vHost = hostAlias(v);
  const auto outHost = hostAlias(out), lseHost = hostAlias(lse);
  OptionalTensor maskHost;
  if (mask.has_value() && mask->defined()) maskHost = hostAlias(*mask);
  launchUnlessDry(name, {q, k, v}, [=] {
    const auto [o, l] =
        at::_scaled_dot_product_flash_attention_for_cpu(qHost, kHost, vHost, 0.0, isCausal, maskHost, scale);
    outHost.copy_(o);
    lseHost.copy_(l);
  });
  return {out, lse};
}

std::tuple<Tensor, Tensor, Tensor> attendBackward(const char* name, const Tensor& dOut, const Tensor& q,
                                                  const Tensor& k, const Tensor& v, const Tensor& out,
                                                  const Tensor& lse, const OptionalTensor& mask, bool isCausal,
                                                  std::optional<double> scale) {
  TORCH_CHECK(lse.is_contiguous(), "strict: flash attention takes contiguous log-sum-exps only");
  // What flash attention takes for itself while it runs: sums of dQ in float32, dK and dV of all query heads.
  const auto sums = emptyOnDevice(q.sizes(), at::kFloat);
  const auto heads = emptyOnDevice({2, k.size(0), k.size(2), q.size(1), k.size(3)}, k.scalar_type());
  auto dq = emptyOnDevice(q.sizes(), q.scalar_type());
  auto dk = emptyOnDevice(k.sizes(), k.scalar_type());
  auto dv = emptyOnDevice(v.sizes(), v.scalar_type());
  const auto dOutHost = hostAlias(dOut), qHost = hostAlias(q), kHost = hostAlias(k), vHost = hostAlias(v);
  const auto outHost = hostAlias(out), lseHost = hostAlias(lse);
  const auto dqHost = hostAlias(dq), dkHost = hostAlias(dk), dvHost = hostAlias(dv);
  OptionalTensor maskHost;
  if (mask.has_value() && mask->defined()) maskHost = hostAlias(*mask);
  launchUnlessDry(name, {q, k, v}, [=] {
    const auto [a, b, c] = at::_scaled_dot_product_flash_attention_for_cpu_backward(
        dOutHost, qHost, kHost, vHost, outHost, lseHost, 0.0, isCausal, maskHost, scale);
    dqHost.copy_(a);
    dkHost.copy_(b);
    dvHost.copy_(c);
  });
  return {dq, dk, dv};
}

using NineResults =
    std::tuple<Tensor, Tensor, Tensor, Tensor, c10::SymInt, c10::SymInt, Tensor, Tensor, Tensor>;

NineResults flash(const Tensor& q, const Tensor& k, const Tensor& v, double dropout, bool isCausal, bool,
                  std::optional<double> scale) {
  TORCH_CHECK(dropout == 0, "strict: attention has no dropout");
  TORCH_CHECK(!isCausal || q.size(2) == k.size(2), "strict: causal flash attention takes square sizes only");
  const auto [out, lse] = attend("flash attention", q, k, v, {}, isCausal, scale);
  return {out,      lse, Tensor(), Tensor(), q.size(2), k.size(2), emptyOnDevice({2}, at::kLong),
          emptyOnDevice({}, at::kLong), Tensor()};
}

std::tuple<Tensor, Tensor, Tensor> flashBackward(const Tensor& dOut, const Tensor& q, const Tensor& k, const Tensor& v,
                                                 const Tensor& out, const Tensor& lse, const Tensor&, const Tensor&,
                                                 c10::SymInt, c10::SymInt, double, bool isCausal, const Tensor&,
                                                 const Tensor&, std::optional<double> scale) {
  return attendBackward("flash attention backward", dOut, q, k, v, out, lse, {}, isCausal, scale);
}

/// Flash attention over ragged sequences: packed tokens (N, H, E), and where each sequence starts among queries and keys.
std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> raggedFlash(
    const Tensor& q, const Tensor& k, const Tensor& v, const OptionalTensor& queryStarts, const OptionalTensor& keyStarts,
    c10::SymInt, c10::SymInt, double dropout, bool isCausal, bool, std::optional<double> scale,
    std::optional<c10::SymInt>, std::optional<c10::SymInt>, const OptionalTensor& used, const OptionalTensor&,
    const OptionalTensor&, std::optional<int64_t>) {
  TORCH_CHECK(dropout == 0 && queryStarts.has_value() && keyStarts.has_value() && !isCausal,
              "strict: ragged flash attention is there for sequences with starts, without dropout or mask");
  for (const auto& starts : {*queryStarts, *keyStarts})
    TORCH_CHECK(isOnDevice(starts) && starts.scalar_type() == at::kInt, "strict: starts are int32 on the device");
  TORCH_CHECK(q.stride(-1) == 1 && k.stride(-1) == 1 && v.stride(-1) == 1, "strict: heads must be contiguous");
  auto out = emptyOnDevice(q.sizes(), q.scalar_type());
  auto lse = emptyOnDevice({q.size(1), q.size(0)}, at::kFloat);
  const auto qHost = hostAlias(q), kHost = hostAlias(k), vHost = hostAlias(v);
  const auto outHost = hostAlias(out), lseHost = hostAlias(lse);
  const auto queries = hostAlias(*queryStarts), keys = hostAlias(*keyStarts);
  const auto usedHost = used.has_value() ? hostAlias(*used) : Tensor();
  launchUnlessDry("ragged flash attention", {q, k, v}, [=] {
    const auto part = [](const Tensor& x, int64_t from, int64_t length) {
      return x.narrow(0, from, length).transpose(0, 1).unsqueeze(0);
    };
    for (int64_t i = 0; i + 1 < queries.size(0); i++) {
      const auto start = queries[i].item<int64_t>(), count = queries[i + 1].item<int64_t>() - start;
      const auto from = keys[i].item<int64_t>();
      const auto length = usedHost.defined() ? usedHost[i].item<int64_t>() : keys[i + 1].item<int64_t>() - from;
      TORCH_CHECK(from + length <= keys[i + 1].item<int64_t>(), "strict: sequence ", i, " uses more keys than it has");
      if (count == 0) continue;
      const auto [o, l] = at::_scaled_dot_product_flash_attention_for_cpu(
          part(qHost, start, count), part(kHost, from, length), part(vHost, from, length), 0.0, false, {}, scale);
      outHost.narrow(0, start, count).copy_(o.select(0, 0).transpose(0, 1));
      lseHost.narrow(1, start, count).copy_(l.select(0, 0));
    }
  });
  return {out, lse, emptyOnDevice({2}, at::kLong), emptyOnDevice({}, at::kLong), Tensor()};
}

/// Where CUDA would run flash attention, `scaled_dot_product_attention` asks any other device for the CPU's operator.
std::tuple<Tensor, Tensor> flashForCpu(const Tensor& q, const Tensor& k, const Tensor& v, double, bool isCausal,
                                       const OptionalTensor& mask, std::optional<double> scale) {
  const auto [out, lse] = attend("flash attention", q, k, v, mask, isCausal, scale);
  return {out, lse};
}

std::tuple<Tensor, Tensor, Tensor> flashForCpuBackward(const Tensor& dOut, const Tensor& q, const Tensor& k,
                                                       const Tensor& v, const Tensor& out, const Tensor& lse, double,
                                                       bool isCausal, const OptionalTensor& mask,
                                                       std::optional<double> scale) {
  return attendBackward("flash attention backward", dOut, q, k, v, out, lse, mask, isCausal, scale);
}

/// In the place of cuDNN's attention.
NineResults cudnn(const Tensor& q, const Tensor& k, const Tensor& v, const OptionalTensor& mask, double, bool isCausal,
                  bool, std::optional<double> scale) {
  const auto [out, lse] = attend("cudnn attention", q, k, v, mask, isCausal, scale);
  const auto seed = emptyOnDevice({}, at::kLong);
  return {out, lse, Tensor(), Tensor(), q.size(2), k.size(2), seed, seed, Tensor()};
}

std::tuple<Tensor, Tensor, Tensor, Tensor> cudnnBackward(const Tensor& dOut, const Tensor& q, const Tensor& k,
                                                         const Tensor& v, const Tensor& mask, std::array<bool, 4>,
                                                         const Tensor& out, const Tensor& lse, const Tensor&,
                                                         const Tensor&, c10::SymInt, c10::SymInt, double,
                                                         bool isCausal, const Tensor&, const Tensor&,
                                                         std::optional<double> scale) {
  const auto [dq, dk, dv] =
      attendBackward("cudnn attention backward", dOut, q, k, v, out, lse, mask, isCausal, scale);
  return {dq, dk, dv, Tensor()};
}

enum class Attention { math, flash, cudnn };
std::atomic<Attention> attention{Attention::math};

int64_t chooseAttention(const Tensor&, const Tensor&, const Tensor&, const OptionalTensor& mask, double, bool,
                        std::optional<double>, bool) {
  const auto chosen = attention.load();
  if (chosen == Attention::cudnn) return static_cast<int64_t>(sdp::SDPBackend::overrideable);
  if (chosen == Attention::flash && !mask.has_value()) return static_cast<int64_t>(sdp::SDPBackend::flash_attention);
  return static_cast<int64_t>(sdp::SDPBackend::math);
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  library.impl("_fused_sdp_choice", chooseAttention);
  library.impl("_fused_rms_norm", rmsNorm);
  library.impl("_fused_rms_norm_backward", rmsNormBackward);
  library.impl("native_layer_norm", layerNorm);
  library.impl("native_layer_norm_backward", layerNormBackward);
  library.impl("_flash_attention_forward", raggedFlash);
  library.impl("_scaled_dot_product_flash_attention", flash);
  library.impl("_scaled_dot_product_flash_attention_backward", flashBackward);
  library.impl("_scaled_dot_product_flash_attention_for_cpu", flashForCpu);
  library.impl("_scaled_dot_product_flash_attention_for_cpu_backward", flashForCpuBackward);
  library.impl("_scaled_dot_product_fused_attention_overrideable", cudnn);
  library.impl("_scaled_dot_product_fused_attention_overrideable_backward", cudnnBackward);
}

}  // namespace

void setAttention(const std::string& name) {
  TORCH_CHECK(name == "math" || name == "flash" || name == "cudnn", "strict: attention '", name,
              "' is none of math, flash, cudnn");
  attention = name == "math" ? Attention::math : name == "flash" ? Attention::flash : Attention::cudnn;
}

}  // namespace strict

namespace at::native {
namespace {
using strict::chooseAttention;
}
REGISTER_PRIVATEUSE1_DISPATCH(_fused_sdp_choice_stub, &chooseAttention)
}  // namespace at::native
