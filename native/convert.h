// Arguments and results of an operator, converted by the operator's own schema.
#pragma once

#include <ATen/core/function_schema.h>
#include <ATen/core/ivalue.h>
#include <ATen/core/stack.h>

#include <optional>
#include <string>
#include <vector>

#include "napi.h"

namespace twgrpo {

/// What a JavaScript value has to be for one argument.
enum class Kind {
  Tensor, TensorList, OptionalTensorList,
  Int, IntList, Float, FloatList, Bool, BoolList, Str, StrList, Scalar, ScalarList, OptionalScalarList,
  DType, Layout, MemoryFormat, Device, Generator,
  Unsupported,
};
const char* kindName(Kind kind);

struct ArgumentSpec {
  std::string name;
  Kind kind;
  bool isOptional;        // None is allowed
  int listSize;           // `int[2]` also takes one number; 0 when not fixed
  bool isKeywordOnly;
  bool isWritten;         // `Tensor(a!)`: the operator changes it
  std::optional<c10::IValue> defaultValue;
};

struct ResultSpec {
  Kind kind;
  bool isWritten;         // the result *is* an argument that was changed; not handed out again
};

ArgumentSpec argumentSpec(const c10::Argument& argument);
ResultSpec resultSpec(const c10::Argument& argument);

/// undefined means "not given"; null or undefined gives None or the default.
c10::IValue toIValue(napi_env env, napi_value value, const ArgumentSpec& spec);
napi_value fromIValue(napi_env env, const c10::IValue& value, Kind kind = Kind::Unsupported);

/// "float32 [2, 3]" for tensors, short text for all else: for error texts.
std::string describeIValue(const c10::IValue& value, Kind kind = Kind::Unsupported);

const char* dtypeName(c10::ScalarType type);
c10::ScalarType parseDType(const std::string& name);

}  // namespace twgrpo
