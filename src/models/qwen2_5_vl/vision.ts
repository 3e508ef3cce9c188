/**
 * Qwen2.5-VL's tower: RMSNorm and a gated MLP; its windows stand in the configuration.
 *
 * Source: transformers 5.18 `modeling_qwen2_5_vl.py` `Qwen2_5_VLVisionBlock`.
 */
import { rmsNorm, swiglu } from '../layers.ts';
import { type TowerStyle, VISION_EPS } from '../qwen2_vl/vision.ts';

export const TOWER: TowerStyle = {
  norm: (params, module, x) => rmsNorm(params, module, x, VISION_EPS),
  hasNormBias: false,
  mlp: swiglu,
  mlpLayers: { widen: ['gate_proj', 'up_proj'], narrow: 'down_proj' },
};
