// Capture and replay, as CUDA graphs: PyTorch's `at::accelerator::Graph` for this device.
//
// Between begin and end kernels are recorded and not run: what they would write stays as it was, and new results hold NaN until
// the first replay. A replay runs the same kernels on the same memory in one launch. What a graph can't hold is an error at the place that
// asks for it: a wait for the device, a shape that depends on data, memory that is resized (a CUDA graph may hold the last, but a step that
// always has the same shapes has no reason to).
//
// A recorded kernel keeps the memory it uses, so a graph here holds all its intermediate results; CUDA's pool reuses them.
#pragma once

#include <functional>
#include <string>

namespace strict {

bool isCapturing();
/// Adds a kernel to the graph that is being captured.
void record(const std::function<void()>& work);
/// @throws c10::Error inside a capture
void refuseInCapture(const char* what, const std::string& name);

}  // namespace strict
