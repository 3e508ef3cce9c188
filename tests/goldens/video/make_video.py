"""Writes the clips and the JSON files of this folder: what PyAV, PyTorch, torchvision and transformers say about
decoding, frame sampling and resizing.

Run: python tests/goldens/video/make_video.py FFMPEG [FOLDER_OF_REAL_CLIPS]
Needs: av, torch, torchvision, transformers, numpy.
"""
import base64
import hashlib
import json
import math
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

import torchvision_operators  # noqa: E402, F401
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as v1
from torchvision.transforms.v2 import functional as v2
from transformers.models.qwen2_vl.video_processing_qwen2_vl import smart_resize

HERE = Path(__file__).parent
FFMPEG = sys.argv[1]
SOURCE = "testsrc2=size={size}:rate={rate}:duration={seconds}"

CLIPS = {
    "h264.mp4": ("96x64", 10, 2.4, ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-bf", "2", "-g", "8"]),
    "ntsc.mp4": ("64x48", "30000/1001", 0.5, ["-c:v", "libx264", "-pix_fmt", "yuv420p"]),
    "mpeg4.avi": ("64x48", 12, 1, ["-c:v", "mpeg4", "-q:v", "4"]),
    "vp9.webm": ("66x50", 15, 1, ["-c:v", "libvpx-vp9", "-b:v", "200k", "-pix_fmt", "yuv420p"]),
    "yuv444.mp4": ("64x48", 10, 0.8, ["-c:v", "libx264", "-pix_fmt", "yuv444p"]),
    "full_range.mp4": ("64x48", 10, 0.8, ["-c:v", "libx264", "-pix_fmt", "yuvj420p"]),
    # Frames 5 to 11 are missing: the time between two frames is not constant.
    "vfr.mkv": ("64x48", 10, 2, ["-vf", "select='not(between(n,5,11))'", "-fps_mode", "passthrough", "-c:v", "libx264"]),
}


def ffmpeg(*args):
    subprocess.run([FFMPEG, "-v", "error", "-y", "-bitexact", *args], check=True)


def sha(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def describe(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        rate = float(stream.average_rate)
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    shape = frames[0].shape
    return {
        "num_frames": len(frames),
        "height": shape[0],
        "width": shape[1],
        "fps": rate,
        "sha256": [sha(frame) for frame in frames] if len(frames) < 40 else None,
        "sha256_all": sha(np.stack(frames)),
    }


def decode_goldens():
    golden = {}
    for name, (size, rate, seconds, options) in CLIPS.items():
        source = SOURCE.format(size=size, rate=rate, seconds=seconds)
        ffmpeg("-f", "lavfi", "-i", source, *options, "-threads", "1", str(HERE / name))
        golden[name] = describe(HERE / name)
    real = {}
    if len(sys.argv) > 2:
        for path in sorted(Path(sys.argv[2]).glob("*.mp4")):
            real[path.name] = describe(path)
    (HERE / "decode.json").write_text(json.dumps({"clips": golden, "real": real}, indent=1) + "\n")


FRAME_FACTOR = 2


def smart_nframes(settings, total, video_fps):
    """qwen_vl_utils' rule, written down again."""
    if "nframes" in settings:
        nframes = round(settings["nframes"] / FRAME_FACTOR) * FRAME_FACTOR
    else:
        least = math.ceil(settings["min_frames"] / FRAME_FACTOR) * FRAME_FACTOR
        most = math.floor(min(settings["max_frames"], total) / FRAME_FACTOR) * FRAME_FACTOR
        nframes = min(min(max(total / video_fps * settings["fps"], least), most), total)
        nframes = math.floor(nframes / FRAME_FACTOR) * FRAME_FACTOR
    return nframes if FRAME_FACTOR <= nframes <= total else None


def sampling_goldens():
    cases = []
    for settings in [
        {"fps": 2.0, "min_frames": 4, "max_frames": 16},
        {"fps": 2.0, "min_frames": 4, "max_frames": 768},
        {"fps": 1.0, "min_frames": 4, "max_frames": 64},
        {"fps": 2.0, "min_frames": 4, "max_frames": 16, "nframes": 11},
    ]:
        for video_fps in [10.0, 23.976023976023978, 25.0, 29.97002997002997, 30.0]:
            for total in [1, 2, 3, 4, 5, 7, 16, 17, 75, 128, 150, 240, 301, 999, 5400]:
                nframes = smart_nframes(settings, total, video_fps)
                indices = exact = None
                if nframes is not None:
                    picked = torch.linspace(0, total - 1, nframes).round().long()
                    indices = picked.tolist()
                    exact = picked[torch.linspace(0, nframes - 1, 16).long()].tolist()
                cases.append([settings, video_fps, total, nframes, indices, exact])
    lines = [
        [start, end, steps, hashlib.sha256(torch.linspace(start, end, steps).numpy().tobytes()).hexdigest()[:16]]
        for steps in [1, 2, 3, 4, 6, 10, 14, 16, 30, 64, 100, 768]
        for start, end in [(0, 1), (0, 7), (0, 127), (3, 252), (0, 299), (10, 5399), (0, 107891)]
    ]
    (HERE / "sampling.json").write_text(json.dumps({"cases": cases, "linspace": lines}, separators=(",", ":")) + "\n")


def size_goldens():
    rng = np.random.default_rng(7)
    cases = []
    pairs = [(320, 480), (360, 640), (240, 320), (14, 14), (42, 70), (1080, 1920), (28, 5600), (64, 96), (2160, 3840)]
    pairs += [tuple(int(x) for x in rng.integers(10, 2500, 2)) for _ in range(150)]
    for height, width in pairs:
        for low, high in [(128 * 784, 196 * 784), (3136, 12845056), (128 * 784, 105369.6), (4 * 784, 16384 * 784)]:
            try:
                cases.append([height, width, low, high, list(smart_resize(height, width, 28, low, high))])
            except ValueError:
                cases.append([height, width, low, high, None])
    (HERE / "smart-resize.json").write_text(json.dumps(cases, separators=(",", ":")) + "\n")


def picture(frames, height, width):
    """A deterministic picture with smooth and rough parts: the same formula is in the test."""
    n, c, y, x = np.meshgrid(*(np.arange(s, dtype=np.int64) for s in (frames, 3, height, width)), indexing="ij")
    value = (x * (3 + c) + y * 5 + n * 17 + (x * y) // 7 + ((x * 7919 + y * 104729 + n * 31 + c * 13) % 97) * 2) % 256
    return torch.from_numpy(value.astype(np.uint8))


def resize_goldens():
    cases = []
    for frames, (h, w), (th, tw) in [(2, (64, 96), (28, 56)), (2, (40, 50), (56, 28)), (1, (20, 60), (28, 84))]:
        video = picture(frames, h, w)
        one = v1.resize(video, [th, tw], interpolation=InterpolationMode.BICUBIC, antialias=True)
        two = v2.resize(video, [th, tw], interpolation=InterpolationMode.BICUBIC, antialias=True)
        assert one.dtype == two.dtype == torch.uint8
        difference = (one.int() - two.int()).abs()
        cases.append({
            "from": [frames, 3, h, w],
            "to": [th, tw],
            "float32": base64.b64encode(one.numpy().tobytes()).decode(),
            "uint8": base64.b64encode(two.numpy().tobytes()).decode(),
            "largest_difference": int(difference.max()),
            "share_different": round(float((difference > 0).float().mean()), 4),
        })
    (HERE / "resize.json").write_text(json.dumps(cases, indent=1) + "\n")


decode_goldens()
sampling_goldens()
size_goldens()
resize_goldens()
