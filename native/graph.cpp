// Captured graphs: what was asked of a device once, asked again in one launch, over the same memory.
//
// CUDA's are PyTorch's own `at::cuda::CUDAGraph`, compiled where the addon is linked against a CUDA build (CMakeLists.txt); other
// devices have what they registered with PyTorch's `at::accelerator::Graph` (2.13 and later).
//
// CUDA captures on no default stream, so a graph has a stream of its own. Its work is first run there as it is, which makes the workspaces
// that libraries keep for a stream, and then captured. A graph of CUDA has not run yet: nobody had a GPU to try it on.
#include <c10/core/impl/VirtualGuardImpl.h>

#include <memory>

#include "napi.h"

#if __has_include(<ATen/accelerator/Graph.h>)
#include <ATen/accelerator/Graph.h>
#define HAS_ACCELERATOR_GRAPH 1
#endif
#ifdef TWGRPO_CUDA_GRAPH
#include <ATen/cuda/CUDAGraph.h>
#endif

namespace twgrpo {

namespace {

/// The part that differs from device to device.
struct Recorder {
  virtual ~Recorder() = default;
  virtual void begin() = 0;
  virtual void end() = 0;
  virtual void replay() = 0;
  virtual void reset() = 0;
};

template <typename Recording>
struct RecorderOf final : Recorder {
  Recording graph;
  void begin() override { graph.capture_begin(); }
  void end() override { graph.capture_end(); }
  void replay() override { graph.replay(); }
  void reset() override { graph.reset(); }
};

std::unique_ptr<Recorder> newRecorder([[maybe_unused]] const c10::Device& device) {
#ifdef TWGRPO_CUDA_GRAPH
  if (device.is_cuda()) return std::make_unique<RecorderOf<at::cuda::CUDAGraph>>();
#endif
#ifdef HAS_ACCELERATOR_GRAPH
  if (at::has_graph_impl(device.type())) return std::make_unique<RecorderOf<at::accelerator::Graph>>();
#endif
  return nullptr;
}

struct Graph {
  std::unique_ptr<Recorder> recorder;
  c10::impl::VirtualGuardImpl device;
  c10::Stream own;
  /// That of the caller, while work runs on the graph's own.
  std::optional<c10::Stream> outer;
  bool isCapturing = false;

  void enter() {
    device.synchronizeDevice(own.device_index());
    outer = device.exchangeStream(own);
  }
  void leave() {
    device.exchangeStream(*outer);
    outer.reset();
    device.synchronizeDevice(own.device_index());
  }
};

void finalizeGraph(napi_env, void* data, void*) { delete static_cast<Graph*>(data); }

Graph& toGraph(napi_env env, napi_value value) {
  void* data = nullptr;
  if (typeOf(env, value) != napi_external || napi_get_value_external(env, value, &data) != napi_ok)
    throw ArgumentError("expected a graph, got " + describe(env, value));
  return *static_cast<Graph*>(data);
}

/// newGraph(device) -> external, or null where the device has none
EXPORTED(newGraph, "Graph", 1) {
  const c10::Device device(toString(env, args[0]));
  auto recorder = device.is_cpu() ? nullptr : newRecorder(device);
  if (recorder == nullptr) return null(env);
  const c10::impl::VirtualGuardImpl guard(device.type());
  const c10::Device indexed = device.has_index() ? device : guard.getDevice();
  auto graph = std::unique_ptr<Graph>(
      new Graph{std::move(recorder), guard, guard.getStreamFromGlobalPool(indexed, false), {}, false});
  napi_value result;
  NAPI_OK(napi_create_external(env, graph.get(), finalizeGraph, nullptr, &result));
  graph.release();
  return result;
}

/// beginGraph(graph, isCaptured): what follows runs on the graph's stream, or is captured
EXPORTED(beginGraph, "Graph.begin", 2) {
  auto& graph = toGraph(env, args[0]);
  graph.enter();
  if (!toBool(env, args[1])) return nullptr;
  try {
    graph.recorder->begin();
  } catch (...) {
    graph.leave();
    throw;
  }
  graph.isCapturing = true;
  return nullptr;
}

EXPORTED(endGraph, "Graph.end", 1) {
  auto& graph = toGraph(env, args[0]);
  const bool wasCapturing = graph.isCapturing;
  graph.isCapturing = false;
  try {
    if (wasCapturing) graph.recorder->end();
  } catch (...) {
    graph.leave();
    throw;
  }
  graph.leave();
  return nullptr;
}

EXPORTED(replayGraph, "Graph.replay", 1) {
  toGraph(env, args[0]).recorder->replay();
  return nullptr;
}

/// resetGraph(graph): forgets what was captured, and frees its memory
EXPORTED(resetGraph, "Graph.reset", 1) {
  toGraph(env, args[0]).recorder->reset();
  return nullptr;
}

}  // namespace

}  // namespace twgrpo
