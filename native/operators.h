// The one boxed call: any operator of libtorch through its dispatcher.
#pragma once

#include "napi.h"

namespace twgrpo {
void exportOperators(napi_env env, napi_value exports);
}
