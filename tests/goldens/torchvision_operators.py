"""Declares torchvision's two operators: a wheel built for CUDA, beside a torch for CPUs alone, can't be imported without.

The scripts of the folders here import this module by path, before torchvision or transformers.
"""

import torch

try:
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
except RuntimeError:  # they are there
    pass
