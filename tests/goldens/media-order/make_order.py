"""M-RoPE positions of prompts with several videos and images in any order, by transformers 4.57: `get_rope_index` of Qwen2.5-VL and Qwen2-VL.

    pip install torch transformers==4.57.* && python make_order.py
"""
import json
import random
import sys
from pathlib import Path
from types import SimpleNamespace

import torch

sys.path.insert(0, str(Path(__file__).parent.parent))
import torchvision_operators  # noqa: E402, F401
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLModel
from transformers.models.qwen2_vl.modeling_qwen2_vl import Qwen2VLModel

random.seed(5)
IMAGE, VIDEO, START, END, TEXT = 90, 91, 92, 93, 1
CONFIG = SimpleNamespace(image_token_id=IMAGE, video_token_id=VIDEO, vision_start_token_id=START,
                         vision_config=SimpleNamespace(spatial_merge_size=2, tokens_per_second=2))  # fmt: skip
ORDERS = ["vv", "ii", "vi", "iv", "viv", "ivi", "vviiv", "t", "i", "v", "iiivvv", "ivivi"]
cases = []
for order in ORDERS:
    for adjacent in (False, True):
        ids, images, videos, seconds = [TEXT] * random.randint(1, 4), [], [], []
        for kind in order:
            if kind == "t":
                continue
            t, h, w = (1 if kind == "i" else random.randint(1, 5)), 2 * random.randint(1, 3), 2 * random.randint(1, 3)
            (images if kind == "i" else videos).append([t, h, w])
            if kind == "v":
                # 4.57 cuts fractions of seconds off (transformers#48669); ../qwen2_5_vl has them by version 5.
                seconds.append(random.choice([1.0, 2.0, 3.0]))
            ids += [START] + [IMAGE if kind == "i" else VIDEO] * (t * h * w // 4) + [END]
            ids += [] if adjacent else [TEXT] * random.randint(1, 3)
        ids += [TEXT] * 3
        case = {"order": order, "input_ids": ids, "image_grid_thw": images, "video_grid_thw": videos, "second_per_grid_ts": seconds}
        args = dict(input_ids=torch.tensor([ids]), image_grid_thw=torch.tensor(images) if images else None,
                    video_grid_thw=torch.tensor(videos) if videos else None)  # fmt: skip
        timed, _ = Qwen2_5_VLModel.get_rope_index(SimpleNamespace(config=CONFIG), second_per_grid_ts=torch.tensor(seconds) if seconds else None, **args)
        plain, _ = Qwen2VLModel.get_rope_index(SimpleNamespace(config=CONFIG), **args)
        cases.append({**case, "qwen2_5_vl": timed[:, 0].tolist(), "qwen2_vl": plain[:, 0].tolist()})
Path(__file__).with_name("order.json").write_text(json.dumps({"ids": dict(image_token_id=IMAGE, video_token_id=VIDEO), "cases": cases}) + "\n")
print(len(cases))
