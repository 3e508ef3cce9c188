// The engine itself: random generators, threads, versions.
#pragma once

#include <ATen/core/Generator.h>

#include "napi.h"

namespace twgrpo {
at::Generator toGenerator(napi_env env, napi_value value);
}  // namespace twgrpo
