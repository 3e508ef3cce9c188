"""Frames and sizes that qwen-vl-utils chooses for videos and images with settings of their own (fps, nframes, video_start, pixel limits, sizes).

Decoding is replaced by blank frames of the stated size; frame numbers, counts and sizes are the library's.
    pip install qwen-vl-utils==0.0.14 torch torchvision && python make_settings.py
"""
import json
import random
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent))
import torchvision_operators  # noqa: E402, F401
from PIL import Image
from qwen_vl_utils import vision_process as vp

random.seed(3)
LAST = {}


def blank(ele):
    total, rate, height, width = ele["facts"]
    first, last, count = vp.calculate_video_frame_range(ele, total, rate)
    nframes = vp.smart_nframes(ele, total_frames=count, video_fps=rate)
    indices = torch.linspace(first, last, nframes).round().long().tolist()
    LAST["indices"] = indices
    fps = nframes / max(count, 1e-6) * rate
    return torch.zeros(nframes, 3, height, width, dtype=torch.uint8), {}, fps


vp.VIDEO_READER_BACKENDS["blank"] = blank
vp.get_video_reader_backend = lambda: "blank"
AREA = 28 * 28


def choice(key, values, share=0.4):
    return {key: random.choice(values)} if random.random() < share else {}


videos = []
while len(videos) < 120:
    total, rate = random.choice([(300, 30.0), (128, 8.0), (50, 25.0), (1800, 29.97), (24, 24.0)])
    height, width = random.choice([(240, 320), (720, 1280), (64, 48), (1080, 608), (56, 56)])
    keys = {
        **choice("video_start", [0.0, 0.4, 1.0, 1.5]), **choice("video_end", [1.9, 3.0, 6.5, 999.0]),
        **(choice("fps", [0.5, 1.0, 2.0, 4.0, 8.0]) or choice("nframes", [4, 7, 16])),
        **choice("max_frames", [2, 4, 8, 17], 0.3), **choice("min_frames", [2, 6], 0.2),
        **choice("min_pixels", [4 * AREA, 64 * AREA, 200 * AREA], 0.3), **choice("max_pixels", [256 * AREA, 300 * AREA, 900 * AREA], 0.3),
        **choice("total_pixels", [2000 * AREA, 4096 * AREA, 20000 * AREA], 0.3),
        **(random.choice([{}, {}, {}, {"resized_height": 100, "resized_width": 201}])),
    }  # fmt: skip
    try:
        frames, fps = vp.fetch_video({"video": "x", "facts": (total, rate, height, width), **keys}, return_video_sample_fps=True)
    except (ValueError, AssertionError, AttributeError):  # the library falls back on a reader that torchvision lost
        continue
    if torch.isnan(frames).any():
        continue
    videos.append({"total": total, "rate": rate, "height": height, "width": width, "keys": keys, "indices": LAST["indices"],
                   "sample_fps": fps, "size": list(frames.shape[2:])})  # fmt: skip
images = []
while len(images) < 40:
    height, width = random.choice([(240, 320), (2000, 1280), (20, 48), (1080, 608)])
    keys = {**choice("min_pixels", [16 * AREA, 100 * AREA]), **choice("max_pixels", [50 * AREA, 400 * AREA]),
            **(random.choice([{}, {}, {"resized_height": 90, "resized_width": 33}]))}  # fmt: skip
    if keys.get("min_pixels", 0) > keys.get("max_pixels", 1e9):
        continue
    width_out, height_out = vp.fetch_image({"image": Image.new("RGB", (width, height)), **keys}).size
    images.append({"height": height, "width": width, "keys": keys, "size": [height_out, width_out]})
Path(__file__).with_name("settings.json").write_text(json.dumps({"videos": videos, "images": images}) + "\n")
print(len(videos), len(images))
