// twgrpo's native addon: libtorch for Node, through one boxed call.
//
//   operators.cpp         call any operator, arguments converted by its schema
//   convert.cpp           JavaScript values <-> IValues
//   errors.cpp            errors, and reading and making of JavaScript values
//   tensor_table.cpp      tensors as integer handles, live counts
//   autograd.cpp          gradient mode, backward, grad
//   data.cpp              bytes in and out, shapes
//   download.cpp          copies to the host that are waited for later
//   engine.cpp            generators, threads, versions
//   graph.cpp             captured graphs: work that is asked for again in one launch
//   memory.cpp            what a device's allocator says, and emptying it
//   process_group.cpp     collectives of several processes
//
// and operators of our own, registered as twgrpo::*:
//
//   linear.cpp            linear layers by the faster of two libraries
//   swiglu.cpp            silu(gate) * up
//   prefix_attention.cpp  attention of a group over its shared prefix
//   prefix_flash.cpp      the same on a GPU
//   flash_decode.cpp      attention of the newest tokens on a GPU
//   few_rows.cpp          products with few rows, from weights in packed panels
//   decode.cpp            the whole decoder for the newest token of each row
#include <ATen/Context.h>

#include <limits>

#include "napi.h"
#include "tensor_table.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace twgrpo {
namespace {
/// Keeps freed memory for the next tensor instead of giving it back at once. A training step frees and takes the same
/// megabytes a thousand times; with glibc's defaults each of them is mapped and zeroed anew (a third of the benchmark's step on a
/// virtual machine).
void keepFreedMemory() {
#ifdef __GLIBC__
  constexpr int LARGEST_FROM_HEAP = 32 << 20;  // glibc's limit for this setting
  mallopt(M_MMAP_THRESHOLD, LARGEST_FROM_HEAP);
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
#endif
}

/// Attention by cuDNN, which PyTorch prefers on Hopper and later, builds a plan for every new shape, and keeps it; others measured half
/// a second a plan (torch 2.11, B200). Here prompts and completions have new lengths in every group, so flash attention goes first.
void preferFlashAttention() { at::globalContext().setSDPUseCuDNN(false); }

EXPORTED(setErrorClass, "setErrorClass", 1) {
  twgrpo::setErrorClass(env, args[0]);
  return nullptr;
}
}  // namespace
}  // namespace twgrpo

NAPI_MODULE_INIT() {
  using namespace twgrpo;
  return guarded(env, "twgrpo addon", [&] {
    keepFreedMemory();
    preferFlashAttention();
    exportAll(env, exports);
    NAPI_OK(napi_add_env_cleanup_hook(env, [](void*) { TensorTable::current().clear(); }, nullptr));
    return exports;
  });
}
