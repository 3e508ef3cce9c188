// The queue of the device, as far as the host can tell: kernels enter it, and some calls wait until it is empty.
//
// A kernel's work is done at once, on the CPU. What a queue means for the host is kept: nothing may wait while a graph is
// captured, and host memory belongs to a non-blocking copy until somebody waits (copies.cpp).
#pragma once

#include <functional>
#include <string>

namespace strict {

/// Counts a kernel and does its work: now, or at each replay of the graph that is being captured.
void launch(const std::string& name, const std::function<void()>& work);

/// Counts a call that returns when all that was launched is done. @throws c10::Error inside a capture, or where a
/// host buffer was written too early
void waitForDevice(const std::string& name);

}  // namespace strict
