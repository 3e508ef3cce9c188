// Shapes of results without computing them.
#include "dry.h"

#include <ATen/ExpandUtils.h>
#include <ATen/native/TypeProperties.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <unordered_map>

#include "tensors.h"

namespace strict {

namespace {

int64_t dryAbove = std::numeric_limits<int64_t>::max();

using Arguments = std::vector<c10::IValue>;
using ShapeRule = std::function<at::Tensor(const Arguments&)>;

/// Operators whose shapes PyTorch knows only in Python.
const std::unordered_map<std::string, ShapeRule>& shapeRules() {
  static const auto* rules = new std::unordered_map<std::string, ShapeRule>{
      {"aten::index_select",
       [](const Arguments& a) {
         const auto x = a[0].toTensor();
         auto sizes = x.sizes().vec();
         sizes[c10::maybe_wrap_dim(a[1].toInt(), x.dim())] = a[2].toTensor().numel();
         return emptyOnDevice(sizes, x.scalar_type());
       }},
      {"aten::roll",
       [](const Arguments& a) { return emptyOnDevice(a[0].toTensor().sizes(), a[0].toTensor().scalar_type()); }},
      {"aten::embedding_dense_backward",
       [](const Arguments& a) {
         const auto x = a[0].toTensor();
         return emptyOnDevice({a[2].toInt(), x.size(-1)}, x.scalar_type());
       }},
      {"aten::where",
       [](const Arguments& a) {
         const auto x = a[1].toTensor(), y = a[2].toTensor();
         const auto sizes = at::infer_size(at::infer_size(a[0].toTensor().sizes(), x.sizes()), y.sizes());
         return emptyOnDevice(sizes, at::native::result_type(x, y));
       }},
      {"aten::searchsorted",
       [](const Arguments& a) { return emptyOnDevice(a[1].toTensor().sizes(), at::kLong); }},
  };
  return *rules;
}

bool isWritten(const c10::Argument& argument) {
  return argument.alias_info() != nullptr && argument.alias_info()->isWrite();
}

at::Tensor asMeta(const at::Tensor& tensor) {
  if (!isOnDevice(tensor)) return tensor;
  const auto options = at::TensorOptions().dtype(tensor.scalar_type()).device(c10::kMeta);
  return at::empty_strided(tensor.sizes(), tensor.strides(), options);
}

at::Tensor fromMeta(const at::Tensor& tensor) {
  if (!tensor.defined() || !tensor.is_meta()) return tensor;
  return emptyOnDevice(tensor.sizes(), tensor.strides(), tensor.scalar_type());
}

}  // namespace

void setDryAbove(int64_t bytes) { dryAbove = bytes < 0 ? std::numeric_limits<int64_t>::max() : bytes; }

bool isDry(int64_t bytes) { return bytes > dryAbove; }

bool isDry(std::initializer_list<at::Tensor> tensors) {
  int64_t bytes = 0;
  for (const auto& tensor : tensors)
    if (isOnDevice(tensor)) bytes += tensor.nbytes();
  return isDry(bytes);
}

bool isDry(const Arguments& arguments) {
  int64_t bytes = 0;
  for (const auto& value : arguments)
    eachTensor(value, [&](const at::Tensor& tensor) {
      if (isOnDevice(tensor)) bytes += tensor.nbytes();
    });
  return isDry(bytes);
}

void takeResults(const c10::OperatorHandle& op, torch::jit::Stack& stack) {
  const auto& schema = op.schema();
  const auto numArguments = schema.arguments().size();
  const Arguments given(stack.end() - numArguments, stack.end());
  const auto finish = [&](const Arguments& results) {
    torch::jit::drop(stack, numArguments);
    stack.insert(stack.end(), results.begin(), results.end());
  };

  if (std::all_of(schema.returns().begin(), schema.returns().end(), isWritten)) {
    Arguments results;
    for (const auto& result : schema.returns())
      for (size_t i = 0; i < numArguments; i++)
        if (isWritten(schema.arguments()[i]) && *schema.arguments()[i].alias_info() == *result.alias_info()) {
          results.push_back(given[i]);
          break;
        }
    return finish(results);
  }
  if (const auto rule = shapeRules().find(schema.name()); rule != shapeRules().end())
    return finish({rule->second(given)});

  TORCH_CHECK(op.hasComputedKernelForDispatchKey(c10::DispatchKey::Meta), "strict: dry mode has no shapes for ",
              schema.name(), "; add a rule to dry.cpp");
  Arguments meta;
  for (const auto& value : given) meta.push_back(mapTensors(value, asMeta));
  op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::Meta), &meta);
  for (auto& value : meta) value = mapTensors(value, fromMeta);
  finish(meta);
}

}  // namespace strict
