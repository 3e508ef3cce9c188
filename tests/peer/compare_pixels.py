"""Frames of video files after sampling and resizing: twgrpo against PyAV and torchvision, every value.

Ours come from `node --import ... dump` through the sources (no build needed); they must differ by at most one grey level in
at most 0.1 % of values. Both of torchvision's ways are compared: float32 (functional.resize, what qwen_vl_utils calls) and uint8
(transforms.v2, what transformers' processors call).
With --write, every 401st value of each clip is stored in ../goldens/video/real-pixels.json for the test without Python.

Run:  python compare_pixels.py VIDEO [VIDEO ...] [--write]
"""

import base64
import json
import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).parent.parent
sys.path.insert(0, str(TESTS / "goldens" / "logprobs"))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from make_goldens import frame_size, functional, sample_video  # noqa: E402
from torchvision.transforms import InterpolationMode  # noqa: E402
from torchvision.transforms.v2 import functional as v2  # noqa: E402

EVERY = 401
DUMP = """
import { writeFileSync } from 'node:fs';
import { loadVideo, videoPreset } from '%s/src/video/index.ts';
const [path, kernel, to] = process.argv.slice(2);
const video = await loadVideo(path, videoPreset('correct'), { kernel });
writeFileSync(to, video.frames.toTypedArray());
console.log(JSON.stringify({ shape: video.frames.shape, indices: video.indices }));
"""


def ours(path: str, kernel: str, scratch: Path):
    script = scratch / "dump.mjs"
    script.write_text(DUMP % TESTS.parent)
    command = ["node", "--import", str(TESTS.parent / "scripts" / "typescript" / "loader.mjs"), script, path, kernel, scratch / "out"]
    run = subprocess.run([str(word) for word in command], capture_output=True, text=True, cwd=TESTS.parent)
    assert run.returncode == 0, run.stderr
    facts = json.loads(run.stdout)
    return np.fromfile(scratch / "out", dtype=np.uint8).reshape(facts["shape"]), facts["indices"]


def main() -> None:
    paths = [word for word in sys.argv[1:] if word != "--write"]
    stored = {}
    with tempfile.TemporaryDirectory() as scratch:
        for path in paths:
            video, indices, _, _ = sample_video(path)
            size = list(frame_size(*video.shape[2:], len(video)))
            for kernel, resize in (("float32", functional.resize), ("uint8", v2.resize)):
                expected = resize(video, size, interpolation=InterpolationMode.BICUBIC, antialias=True)
                assert expected.dtype == torch.uint8
                expected = expected.numpy()
                got, got_indices = ours(path, kernel, Path(scratch))
                assert got_indices == indices and got.shape == expected.shape, (got.shape, expected.shape)
                difference = np.abs(got.astype(int) - expected.astype(int))
                share = (difference > 0).mean()
                print(f"{Path(path).name} {kernel}: {got.shape}, largest difference {difference.max()}, {share:.6%} of values")
                assert difference.max() <= 1 and share <= 0.001
                some = np.ascontiguousarray(expected.reshape(-1)[::EVERY])
                case = stored.setdefault(Path(path).name, {"indices": indices, "shape": list(expected.shape), "every": EVERY})
                case[kernel] = base64.b64encode(some.tobytes()).decode()
    if "--write" in sys.argv:
        (TESTS / "goldens" / "video" / "real-pixels.json").write_text(json.dumps(stored) + "\n")


if __name__ == "__main__":
    main()
