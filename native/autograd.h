#pragma once
#include "napi.h"
namespace twgrpo {
void exportAutograd(napi_env env, napi_value exports);
}
