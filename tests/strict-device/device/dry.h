// Dry mode: operators on much data take the memory of their results and leave them uncomputed, so that a model of real size runs in
// seconds, with exact bytes and launches. Shapes come from the operators' Meta kernels, which PyTorch has for tracing.
//
// Operators on little data still run, so that positions, masks and ids are right.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>

#include <cstdint>
#include <initializer_list>
#include <vector>

namespace strict {

/// Operators on more bytes than this are left out; negative: none.
void setDryAbove(int64_t bytes);
bool isDry(int64_t bytes);
/// By the bytes of these tensors together.
bool isDry(std::initializer_list<at::Tensor> tensors);
bool isDry(const std::vector<c10::IValue>& arguments);

/// Replaces the arguments on the stack by results of the right shapes.
void takeResults(const c10::OperatorHandle& op, torch::jit::Stack& stack);

}  // namespace strict
