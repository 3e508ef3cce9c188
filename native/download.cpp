// Copies to the host that are waited for later: the device goes on with what it was asked for next, and the host waits for the copy
// alone, not for all that stands behind it.
#include <ATen/ATen.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <memory>

#include "tensor_table.h"

namespace twgrpo {

namespace {

struct Download {
  at::Tensor host;
  /// Behind the copy in the device's queue; none on the processor, where the copy is made at once.
  std::unique_ptr<c10::Event> done;
};

void finalizeDownload(napi_env, void* data, void*) { delete static_cast<Download*>(data); }

/// startDownload(handle) -> external
EXPORTED(startDownload, "Download", 1) {
  const auto& tensor = toTensor(env, args[0]);
  auto download = std::make_unique<Download>();
  const auto options = at::TensorOptions().dtype(tensor.scalar_type());
  download->host = at::empty(tensor.sizes(), options.pinned_memory(!tensor.is_cpu()));
  download->host.copy_(tensor.detach(), /*non_blocking=*/true);
  if (!tensor.is_cpu()) {
    const c10::impl::VirtualGuardImpl guard(tensor.device().type());
    download->done = std::make_unique<c10::Event>(tensor.device().type());
    download->done->record(guard.getStream(tensor.device()));
  }
  napi_value result;
  NAPI_OK(napi_create_external(env, download.get(), finalizeDownload, nullptr, &result));
  download.release();
  return result;
}

/// finishDownload(external) -> handle of a tensor of the processor, once it is there
EXPORTED(finishDownload, "Download.finish", 1) {
  void* data = nullptr;
  if (typeOf(env, args[0]) != napi_external || napi_get_value_external(env, args[0], &data) != napi_ok)
    throw ArgumentError("expected a download, got " + describe(env, args[0]));
  auto* download = static_cast<Download*>(data);
  if (download->done != nullptr) download->done->synchronize();
  return fromTensor(env, download->host);
}

}  // namespace

}  // namespace twgrpo
