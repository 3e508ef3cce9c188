/** The engine room: libtorch's tensors in TypeScript. */
export {
  backward,
  type Checkpoint,
  checkpoint,
  enableGrad,
  grad,
  isGradEnabled,
  noGrad,
} from './autograd.ts';
export {
  type Backend,
  CollectiveGroup,
  fillStorage,
  freeStorage,
  hasBackend,
  leaveAtOnce,
  type ReduceOp,
  Store,
  Work,
} from './collectives.ts';
export { Download, emptyPinned } from './download.ts';
export { type Device, type DType, itemSize, type TypedArray } from './dtype.ts';
export { benchDirectAdd, engineInfo, getNumThreads, setNumThreads } from './engine.ts';
export { isOutOfMemory, NativeError } from './errors.ts';
export { Generator } from './generator.ts';
export { Graph } from './graph.ts';
export { dispose, keep, liveBytes, liveTensors, scope } from './handle.ts';
export { deviceMemory, emptyCache, resetPeakMemory, synchronize } from './memory.ts';
export type {
  NativeDeviceMemory as DeviceMemory,
  NativeEngineInfo as EngineInfo,
  NativeSchema as OperatorSchema,
  NativeSchemaArgument as SchemaArgument,
} from './native.ts';
export { callOperator, type Scalar } from './operator-call.ts';
export {
  _amp_foreach_non_finite_check_and_unscale_,
  _foreach_add_,
  _foreach_mul_,
  _foreach_norm,
  _foreach_zero_,
  _fused_adamw_,
  _upsample_bicubic2d_aa,
  block_diag,
  bucketize,
  canPrefixFlash,
  cartesian_prod,
  cat,
  conv3d,
  cross_entropy_loss,
  decodeStep,
  einsum,
  embedding,
  fastLinear,
  flashDecode,
  from_file,
  isin,
  layer_norm,
  linear,
  linspace,
  logical_and,
  maximum,
  meshgrid,
  minimum,
  nll_loss,
  one_hot,
  outer,
  packPanels,
  pad_sequence,
  prefixAttention,
  prefixFlash,
  rms_norm,
  scaled_dot_product_attention,
  searchsorted,
  siluMul,
  stack,
  where,
} from './operators.generated.ts';
export { resolveDevice } from './resolve-device.ts';
export {
  arange,
  empty,
  empty_like,
  fromTypedArray,
  full,
  type NestedNumbers,
  ones,
  ones_like,
  rand,
  randn,
  randperm,
  Tensor,
  type TensorOptions,
  tensor,
  zeros,
  zeros_like,
} from './tensor.ts';
