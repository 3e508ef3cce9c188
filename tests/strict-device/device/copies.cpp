// `copy_` between host and device.
#include "copies.h"

#include <ATen/ATen.h>
#include <torch/library.h>

#include <cmath>
#include <cstring>
#include <deque>
#include <mutex>

#include "counters.h"
#include "dry.h"
#include "graph.h"
#include "launch.h"
#include "memory.h"
#include "tensors.h"

namespace strict {

namespace {

struct QueuedCopy {
  /// Kept alive, as CUDA's pinned allocator does: freeing a buffer early is right, writing to it is not.
  at::Tensor host;
  /// Contiguous: what the host held, or what it will receive.
  at::Tensor bytes;
  bool isToDevice;
};

std::mutex mutex;
std::deque<QueuedCopy> queue;
int64_t numQueued = 0;

void enqueue(QueuedCopy copy) {
  std::lock_guard<std::mutex> lock(mutex);
  queue.push_back(std::move(copy));
  numQueued += 1;
}

void finish(const QueuedCopy& copy) {
  if (!copy.isToDevice) {
    copy.host.copy_(copy.bytes);
    return;
  }
  const auto now = copy.host.contiguous();
  TORCH_CHECK(memcmp(now.data_ptr(), copy.bytes.data_ptr(), copy.bytes.nbytes()) == 0, "strict: a pinned buffer of ",
              copy.bytes.nbytes(), " bytes, shape ", copy.bytes.sizes(),
              ", was written between its non-blocking copy to the device and the wait that ends it");
}

void copyToDevice(const at::Tensor& from, const at::Tensor& to, bool isNonBlocking) {
  const auto target = hostAlias(to);
  const auto work = [from, target] { target.copy_(from); };
  if (isNonBlocking && isPinned(from.data_ptr())) {
    launch("copy to device", work);
    // A captured copy reads its buffer at each replay: the owner may write to it between them.
    if (!isCapturing()) enqueue({from, from.contiguous().clone(), true});
    return;
  }
  waitForDevice("copy to device");
  if (!isDry({to})) work();
}

void copyToHost(const at::Tensor& from, const at::Tensor& to, bool isNonBlocking) {
  const auto source = hostAlias(from);
  if (isNonBlocking && isPinned(to.data_ptr())) {
    if (isCapturing()) return launch("copy to host", [source, to] { to.copy_(source); });
    countLaunch("copy to host");
    enqueue({to, source.to(to.scalar_type()).clone(), false});
    to.copy_(at::full_like(to, to.is_floating_point() ? at::Scalar(NAN) : at::Scalar(-1)));
    return;
  }
  waitForDevice("copy to host");
  if (!isDry({from})) to.copy_(source);
}

at::Tensor copyFrom(const at::Tensor& from, const at::Tensor& to, bool isNonBlocking) {
  if (from.numel() == 0) return to;
  if (!isOnDevice(from)) {
    copyToDevice(from, to, isNonBlocking);
  } else if (!isOnDevice(to)) {
    copyToHost(from, to, isNonBlocking);
  } else {
    const auto source = hostAlias(from), target = hostAlias(to);
    const bool isLeftOut = isDry({to});
    launch("copy on device", [=] {
      if (!isLeftOut) target.copy_(source);
    });
  }
  return to;
}

at::Tensor copyFromAndResize(const at::Tensor& from, const at::Tensor& to) {
  to.resize_(from.sizes());
  return copyFrom(from, to, false);
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  library.impl("_copy_from", copyFrom);
  library.impl("_copy_from_and_resize", copyFromAndResize);
}

}  // namespace

int64_t numQueuedCopies() {
  std::lock_guard<std::mutex> lock(mutex);
  return numQueued;
}

void finishCopies(int64_t count) {
  for (;;) {
    QueuedCopy next;
    {
      std::lock_guard<std::mutex> lock(mutex);
      if (queue.empty() || numQueued - static_cast<int64_t>(queue.size()) >= count) return;
      next = std::move(queue.front());
      queue.pop_front();
    }
    finish(next);
  }
}

}  // namespace strict
