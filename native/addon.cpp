// twgrpo's native addon: libtorch for Node, through one boxed call.
//
//   operators.cpp     call any ATen operator, arguments converted by its schema
//   convert.cpp       JavaScript values <-> IValues
//   tensor_table.cpp  tensors as integer handles, live counts
//   autograd.cpp      gradient mode, backward, grad
//   data.cpp          bytes in and out, shapes
//   engine.cpp        generators, threads, versions
//   prefix_attention.cpp  one fused operator: attention of a group over its shared prefix
#include "autograd.h"
#include "data.h"
#include "engine.h"
#include "napi.h"
#include "operators.h"
#include "tensor_table.h"

namespace twgrpo {
namespace {
napi_value setError(napi_env env, napi_callback_info info) {
  return guarded(env, "setErrorClass", [&]() -> napi_value {
    Arguments<1> args(env, info);
    setErrorClass(env, args[0]);
    return nullptr;
  });
}
}  // namespace
}  // namespace twgrpo

NAPI_MODULE_INIT() {
  using namespace twgrpo;
  return guarded(env, "twgrpo addon", [&] {
    exportFunction(env, exports, "setErrorClass", setError);
    exportTensorTable(env, exports);
    exportOperators(env, exports);
    exportAutograd(env, exports);
    exportData(env, exports);
    exportEngine(env, exports);
    return exports;
  });
}
