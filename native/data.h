#pragma once
#include "napi.h"
namespace twgrpo {
void exportData(napi_env env, napi_value exports);
}
