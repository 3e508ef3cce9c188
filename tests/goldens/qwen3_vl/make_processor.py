"""Prompts of Qwen3-VL by transformers' own processors: ids, grids, patches, times in words, choice and size of frames.

Writes beside itself
  folder/          tokenizer, chat template (the published one without calls of tools) and processor files
  processor.json   prompts and, for many lengths and sizes of videos, which frames are taken and how large they become

Frames are not stored: both sides compute them from an integer hash. Patches are stored as the SHA-256 of their bytes.

Run with transformers >= 5.18, then with 4.57:  python make_processor.py
The second run adds what 4.57 makes of the same prompts; ids, grids and patches are the same but for the markers around a whole video.
"""

import hashlib
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE.parent / "qwen2_5_vl"))

import torchvision_operators  # noqa: E402, F401
import transformers  # noqa: E402
from make_goldens import hashed  # noqa: E402
from transformers import AutoTokenizer, Qwen3VLProcessor, Qwen3VLVideoProcessor  # noqa: E402
from transformers.video_utils import VideoMetadata  # noqa: E402

IS_5 = int(transformers.__version__.split(".")[0]) >= 5
FOLDER = HERE / "folder"
QUESTION = "What happens to the red cube?\nA. It stops. B. It moves.  🙂 <answer> C </answer>"

# name, system text, videos (indices of the frames, height, width, frames a second), images (height, width)
CASES = [
    ("one_odd", None, [([0, 15, 30], 40, 70, 30.0)], []),
    ("ties", None, [([0, 3, 6, 9, 12, 15, 18, 21], 32, 64, 6.0)], []),
    ("long", "Be brief.", [([3000, 3600, 90000, 90001], 64, 32, 29.97)], []),
    ("unknown_rate", None, [(list(range(5)), 32, 32, None)], []),
    ("image", None, [], [(50, 90)]),
    ("mixed", "You see clips.", [([0, 1, 2, 3], 32, 32, 4.0), ([7, 9], 33, 65, 2.5)], [(64, 32)]),
    ("text", None, [], []),
]  # fmt: skip


def image_processor(**kwargs):
    if IS_5:
        from transformers import Qwen2VLImageProcessor as Class
    else:
        from transformers import Qwen2VLImageProcessorFast as Class
    return Class(patch_size=16, merge_size=2, image_mean=[0.5] * 3, image_std=[0.5] * 3, **kwargs)


def make_folder() -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    tokenizer = AutoTokenizer.from_pretrained(HERE.parent / "checkpoints" / "qwen2-5-vl")
    template = (HERE / "chat_template.jinja").read_text()
    processor = Qwen3VLProcessor(
        image_processor=image_processor(size={"shortest_edge": 2048, "longest_edge": 40960}),
        tokenizer=tokenizer,
        video_processor=Qwen3VLVideoProcessor(size={"shortest_edge": 4096, "longest_edge": 81920}),
        chat_template=template,
    )
    processor.save_pretrained(FOLDER)
    # The published layout: one file for images, one for videos.
    both = json.loads((FOLDER / "processor_config.json").read_text())
    (FOLDER / "processor_config.json").unlink()
    for name, key in (("preprocessor_config.json", "image_processor"), ("video_preprocessor_config.json", "video_processor")):
        (FOLDER / name).write_text(json.dumps(both[key] | {"processor_class": "Qwen3VLProcessor"}, indent=2) + "\n")


def load(cap):
    if IS_5:
        tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    else:
        from transformers import Qwen2TokenizerFast

        tokenizer = Qwen2TokenizerFast(tokenizer_file=str(FOLDER / "tokenizer.json"))
    images = json.loads((FOLDER / "preprocessor_config.json").read_text())["size"]
    video = dict(size={"shortest_edge": 4096, "longest_edge": 81920})
    if cap is not None:
        video["cap_pixels_per_frame"] = cap
    return Qwen3VLProcessor(
        image_processor=image_processor(size=images), tokenizer=tokenizer, video_processor=Qwen3VLVideoProcessor(**video),
        chat_template=(HERE / "chat_template.jinja").read_text(),
    )  # fmt: skip


def picture(seed: int, *shape: int) -> torch.Tensor:
    return torch.from_numpy((hashed(seed, int(np.prod(shape))) >> np.uint32(24)).astype(np.uint8)).reshape(shape)


def digest(tensor: torch.Tensor) -> dict:
    return {"shape": list(tensor.shape), "sha256": hashlib.sha256(tensor.contiguous().numpy().tobytes()).hexdigest()}


def prompts() -> list:
    processor = load(False if IS_5 else None)
    made = []
    for name, system, videos, images in CASES:
        frames = [picture(70 + n, len(i), 3, h, w) for n, (i, h, w, _) in enumerate(videos)]
        stills = [picture(80 + n, 3, h, w) for n, (h, w) in enumerate(images)]
        content = [{"type": "video"} for _ in videos] + [{"type": "image"} for _ in images]
        messages = [{"role": "user", "content": [*content, {"type": "text", "text": QUESTION}]}]
        if system is not None:
            messages.insert(0, {"role": "system", "content": system})
        text = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        metadata = [VideoMetadata(total_num_frames=10**6, fps=fps, frames_indices=list(i)) for i, _, _, fps in videos]
        kwargs = {"video_metadata": metadata or None, "do_sample_frames": False}
        inputs = processor(
            text=[text], videos=frames or None, images=stills or None, return_tensors="pt", videos_kwargs=kwargs,
        )  # fmt: skip
        made.append({
            "name": name, "system": system, "question": QUESTION, "text": text,
                        "videos": [{"indices": i, "height": h, "width": w, "fps": fps} for i, h, w, fps in videos],
            "images": [{"height": h, "width": w} for h, w in images],
            "pixels": {key: digest(inputs[key]) for key in ("pixel_values", "pixel_values_videos") if key in inputs},
            "input_ids": inputs["input_ids"][0].tolist(),
            "video_grid_thw": inputs["video_grid_thw"].tolist() if videos else [],
            "image_grid_thw": inputs["image_grid_thw"].tolist() if images else [],
        })  # fmt: skip
    return made


def choices() -> list:
    """Frames and sizes for many videos, with the numbers of the published folders and with small ones."""
    rng = np.random.default_rng(3)
    made = []
    for index in range(160):
        is_small = index % 2 == 0
        size = {"shortest_edge": 4096, "longest_edge": 25165824} if not is_small else {
            "shortest_edge": int(rng.choice([4096, 131072])), "longest_edge": int(rng.integers(150_000, 3_000_000))}
        cap = [None, True][index // 2 % 2]
        options = dict(size=size, cap_pixels_per_frame=cap, max_frames=int(rng.choice([768, 16, 7])))
        processor = Qwen3VLVideoProcessor(**options)
        total = int(rng.choice([1, 2, 3, 5, 9, int(rng.integers(10, 4000))]))
        fps = float(rng.choice([1.0, 6.0, 24.0, 25.0, 29.97, 60.0]))
        indices = processor.sample_frames(VideoMetadata(total_num_frames=total, fps=fps)).tolist()
        height, width = (int(v) for v in rng.integers(8, 1100, 2))
        if max(height, width) / min(height, width) > 150:
            continue
        count = max(len(indices), 2)
        patches = processor.get_num_of_video_patches(count, height, width)
        # The size itself, by the function that resize calls.
        from transformers.models.qwen3_vl.video_processing_qwen3_vl import smart_resize

        most = size["longest_edge"]
        if cap:
            most = max(min(768 * 1024, most // count), int(size["shortest_edge"] * 1.05)) * count
        shown = smart_resize(count, height, width, 2, 32, size["shortest_edge"], most)
        assert patches == (count + count % 2) // 2 * (shown[0] // 16) * (shown[1] // 16)
        made.append({
            "size": size, "cap": cap, "max_frames": options["max_frames"], "total": total, "fps": fps, "indices": indices,
            "height": height, "width": width, "count": count, "shown": list(shown),
        })  # fmt: skip
    return made


def main() -> None:
    if IS_5:
        make_folder()
        golden = {"prompts": prompts(), "choices": choices()}
    else:
        golden = json.loads((HERE / "processor.json").read_text())
        for ours, theirs in zip(golden["prompts"], prompts(), strict=True):
            for key in ("video_grid_thw", "image_grid_thw", "text", "pixels"):
                assert ours[key] == theirs[key], (ours["name"], key)
            ours["input_ids_457"] = theirs["input_ids"]
    text = json.dumps(golden, separators=(",", ":")).replace('{"name"', '\n{"name"').replace('{"size":{', '\n{"size":{')
    (HERE / "processor.json").write_text(text + "\n")
    print(transformers.__version__, len(text), [len(p["input_ids"]) for p in golden["prompts"]])


if __name__ == "__main__":
    main()
