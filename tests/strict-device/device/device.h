// One device, `strict:0`, with one stream: what PyTorch asks of any accelerator.
#pragma once

namespace strict {
/// Makes the name `strict` known and the device PyTorch's accelerator, for the rest of the process.
void registerDevice();
}  // namespace strict
