// Which attention `scaled_dot_product_attention` takes, as CUDA decides by card, dtype and mask.
#pragma once

#include <string>

namespace strict {

/// `flash`: fused without a mask, else `math` (an A100, or cuDNN switched off, for grouped queries); `cudnn`: fused always
/// (an H100 as PyTorch 2.13 comes); `math`: never fused. @throws c10::Error for another name
void setAttention(const std::string& name);

}  // namespace strict
