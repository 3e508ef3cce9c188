// Every other operator: the CPU's kernel over the same bytes, counted as one launch.
//
// A CUDA kernel takes tensors of its device only, with one exception that is kept here: a CPU tensor without dimensions stands for
// a number.
#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

#include <cmath>
#include <set>

#include "counters.h"
#include "dry.h"
#include "graph.h"
#include "launch.h"
#include "tensors.h"

namespace strict {

namespace {

using torch::jit::Stack;

/// Operators that wait on CUDA, because the shape of their result depends on the data or the result is a value of the host.
const std::set<std::string> WAITING{"aten::nonzero",  "aten::masked_select",      "aten::equal",
                                    "aten::_unique2", "aten::unique_consecutive", "aten::repeat_interleave"};

bool isWritten(const c10::Argument& argument) {
  return argument.alias_info() != nullptr && argument.alias_info()->isWrite();
}

void refuseHostTensors(const c10::FunctionSchema& schema, const Stack& given) {
  for (size_t i = 0; i < given.size(); i++)
    eachTensor(given[i], [&](const at::Tensor& tensor) {
      TORCH_CHECK(!tensor.defined() || isOnDevice(tensor) || tensor.dim() == 0, "strict: ", schema.name(),
                  " got a tensor of the CPU as argument '", schema.arguments()[i].name(),
                  "' beside tensors of the device");
    });
}

c10::IValue asHost(const c10::IValue& value) {
  if (value.isDevice()) return c10::Device(c10::kCPU);
  return mapTensors(value, hostAlias);
}

/// Replaces `host` by the CPU kernel's results.
void runOnHost(const c10::OperatorHandle& op, Stack& host) {
  op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), &host);
}

/// An `out` that came empty has grown on the host; its device tensor follows.
void growOutputs(const c10::FunctionSchema& schema, const Stack& given, const Stack& host) {
  for (size_t i = 0; i < given.size(); i++) {
    if (!isWritten(schema.arguments()[i]) || !given[i].isTensor()) continue;
    const auto& own = given[i].toTensor();
    const auto& after = host[i].toTensor();
    if (!isOnDevice(own) || own.sizes() == after.sizes()) continue;
    refuseInCapture("gives a result another shape", schema.name());
    own.resize_(after.sizes());
    hostAlias(own).copy_(after);
  }
}

/// The results for the caller: arguments that were written are handed back, new tensors move to the device.
Stack resultsOnDevice(const c10::FunctionSchema& schema, const Stack& given, const Stack& results) {
  Stack converted;
  for (size_t i = 0; i < results.size(); i++) {
    const auto* alias = schema.returns()[i].alias_info();
    if (alias == nullptr) {
      converted.push_back(mapTensors(results[i], onDevice));
      continue;
    }
    TORCH_CHECK(alias->isWrite(), "strict: ", schema.name(), " is a view, and views need a kernel in operators.cpp");
    for (size_t j = 0; j < given.size(); j++)
      if (const auto* own = schema.arguments()[j].alias_info(); own != nullptr && *own == *alias)
        converted.push_back(given[j]);
  }
  return converted;
}

/// Fills what an operator made with NaN, and what it wrote stays: its work comes with the replay.
Stack capture(const c10::OperatorHandle& op, const Stack& given, const Stack& host) {
  const auto& schema = op.schema();
  Stack trial = host;
  for (size_t i = 0; i < trial.size(); i++)
    if (isWritten(schema.arguments()[i]))
      trial[i] = mapTensors(trial[i], [](const at::Tensor& tensor) { return tensor.clone(); });
  Stack written = trial;
  runOnHost(op, trial);
  growOutputs(schema, given, written);
  const Stack results = resultsOnDevice(schema, given, trial);
  Stack targets;
  for (size_t i = 0; i < results.size(); i++)
    targets.push_back(schema.returns()[i].alias_info() == nullptr ? mapTensors(results[i], hostAlias) : c10::IValue());
  for (const auto& target : targets)
    eachTensor(target, [](const at::Tensor& tensor) {
      if (tensor.defined() && tensor.is_floating_point()) tensor.fill_(NAN);
    });
  record([op, host, targets] {
    Stack again = host;
    runOnHost(op, again);
    for (size_t i = 0; i < targets.size(); i++) {
      std::vector<at::Tensor> made;
      eachTensor(again[i], [&](const at::Tensor& tensor) { made.push_back(tensor); });
      size_t next = 0;
      eachTensor(targets[i], [&](const at::Tensor& target) {
        if (target.defined()) target.copy_(made[next]);
        next += 1;
      });
    }
  });
  return results;
}

void fallback(const c10::OperatorHandle& op, Stack* stack) {
  const auto& schema = op.schema();
  if (WAITING.contains(schema.name())) waitForDevice(schema.name());
  else countLaunch(schema.name());
  const auto numArguments = schema.arguments().size();
  const Stack given(stack->end() - numArguments, stack->end());
  refuseHostTensors(schema, given);
  if (isDry(given)) return takeResults(op, *stack);

  Stack host;
  for (const auto& value : given) host.push_back(asHost(value));
  Stack results;
  if (isCapturing()) {
    results = capture(op, given, host);
  } else {
    Stack made = host;
    runOnHost(op, made);
    growOutputs(schema, given, host);
    results = resultsOnDevice(schema, given, made);
  }
  torch::jit::drop(*stack, numArguments);
  stack->insert(stack->end(), results.begin(), results.end());
}

TORCH_LIBRARY_IMPL(_, PrivateUse1, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&fallback>());
}

}  // namespace

}  // namespace strict
