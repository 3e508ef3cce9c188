// A device for tests, `strict:0`: a GPU's rules on a machine that has none.
//
//   memory.cpp        memory that the host can't read
//   device.cpp        device, stream, events
//   operators.cpp     making tensors, views, item
//   copies.cpp        copies to and from the host, blocking and not
//   fallback.cpp      all other operators, by the CPU's kernels
//   cuda_kernels.cpp  what CUDA has as one kernel
//   counters.cpp      launches and waits
//   graph.cpp         capture and replay
//   dry.cpp           sizes without computing
//
// What it can't show: what CUDA's own kernels refuse or round, asynchronous errors, fragmentation, speed.
//
// To JavaScript: configure({ dryAbove, attention }), counts(), reset(), limitMemory(bytes), capture(body), replay(), readFromHost().
#include <ATen/accelerator/Graph.h>

#include "../../../native/napi.h"
#include "counters.h"
#include "cuda_kernels.h"
#include "device.h"
#include "dry.h"
#include "memory.h"
#include "tensors.h"

namespace strict {

namespace {

using namespace twgrpo;

void set(napi_env env, napi_value object, const char* name, napi_value value) {
  NAPI_OK(napi_set_named_property(env, object, name, value));
}

/// configure(dryAbove: number, attention: string)
EXPORTED(configure, "configure", 2) {
  setDryAbove(toInt(env, args[0]));
  setAttention(toString(env, args[1]));
  return undefined(env);
}

/// counts() -> { launches, waits, live, peak, byName }
EXPORTED(counts, "counts", 0) {
  const auto now = strict::counts();
  const auto memory = memoryUse();
  napi_value result, byName;
  NAPI_OK(napi_create_object(env, &result));
  NAPI_OK(napi_create_object(env, &byName));
  for (const auto& [name, count] : now.byName) set(env, byName, name.c_str(), integer(env, count));
  set(env, result, "launches", integer(env, now.launches));
  set(env, result, "waits", integer(env, now.waits));
  set(env, result, "live", integer(env, memory.live));
  set(env, result, "peak", integer(env, memory.peak));
  set(env, result, "byName", byName);
  return result;
}

EXPORTED(reset, "reset", 0) {
  resetCounts();
  resetPeak();
  return undefined(env);
}

/// limitMemory(bytes: number)
EXPORTED(limitMemory, "limitMemory", 1) {
  strict::limitMemory(toInt(env, args[0]));
  return undefined(env);
}

std::unique_ptr<at::accelerator::Graph> graph;

/// capture(body): records what `body` launches; a graph that was captured before is dropped.
EXPORTED(capture, "capture", 1) {
  graph = std::make_unique<at::accelerator::Graph>();
  graph->capture_begin();
  napi_value result;
  const auto status = napi_call_function(env, undefined(env), args[0], 0, nullptr, &result);
  graph->capture_end();
  NAPI_OK(status);
  return result;
}

EXPORTED(replay, "replay", 0) {
  TORCH_CHECK(graph != nullptr, "strict: nothing was captured");
  graph->replay();
  return undefined(env);
}

/// Does what no program may: ends the process by a segmentation fault.
EXPORTED(readFromHost, "readFromHost", 0) {
  const auto tensor = emptyOnDevice({1}, at::kByte);
  return integer(env, *static_cast<volatile uint8_t*>(tensor.data_ptr()));
}

}  // namespace

}  // namespace strict

NAPI_MODULE_INIT() {
  using namespace strict;
  return twgrpo::guarded(env, "strict device", [&] {
    registerDevice();
    twgrpo::exportAll(env, exports);
    return exports;
  });
}
