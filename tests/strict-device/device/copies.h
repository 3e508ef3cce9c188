// Copies between host and device, blocking and not.
//
// From or to pageable memory every copy waits, also one that is called non-blocking: CUDA stages such memory before it
// returns. A non-blocking copy of pinned memory returns at once, and may read or write that memory at any time until the next wait:
//
//   to the device   the bytes are taken now, as the kernels behind it need them, and compared at the wait: a host that wrote to the
//                   buffer in between gets an error
//   to the host     the destination is filled with NaN and receives its bytes at the wait
#pragma once

#include <cstdint>

namespace strict {

/// Number of non-blocking copies so far.
int64_t numQueuedCopies();
/// Ends the first `count` of all non-blocking copies. @throws c10::Error where a host buffer was written too early
void finishCopies(int64_t count);

}  // namespace strict
