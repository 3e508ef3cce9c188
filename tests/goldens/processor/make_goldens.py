"""Prompts with videos and images by transformers' own processors, on small random frames.

For each folder of ../checkpoints that is named below: input ids with expanded placeholders, token types, grids, seconds of a
slice, and the normalized patches. Frames come already resized (sides multiples of 28), so resizing changes nothing.

Writes prompts.json (everything but pixels) and pixels.safetensors (`<case>.video.<i>` / `<case>.image.<i>` uint8 frames,
`<case>.pixel_values(_videos)` float32).
Run:  python make_goldens.py      (torch, torchvision, transformers >= 5.18)
"""

import json
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

import torchvision_operators  # noqa: E402, F401
from safetensors.torch import save_file  # noqa: E402
from transformers import AutoProcessor  # noqa: E402
from transformers.video_utils import VideoMetadata  # noqa: E402

HERE = Path(__file__).parent
CHECKPOINTS = HERE.parent / "checkpoints"

# name, folder, system text, videos (frames, height, width, frames a second), images (height, width), variables
CASES = [
    ("one_odd", "qwen2-5-vl", None, [(3, 28, 56, 2.0)], [], {}),
    ("single_slice", "qwen2-5-vl-flat", None, [(2, 56, 28, 1.0)], [], {}),
    ("one_frame", "qwen2-5-vl-flat", "Be brief.", [(1, 28, 28, 0.5)], [], {}),
    ("image", "qwen2-5-vl", None, [], [(28, 84)], {}),
    ("mixed", "qwen2-5-vl", None, [(4, 28, 28, 4.0), (2, 28, 56, 3.0)], [(56, 28)], {"add_vision_id": True}),
    ("three", "qwen2-5-vl-flat", "You see three clips.", [(2, 28, 28, 2.0), (2, 28, 28, 1.5), (4, 28, 28, 2.0)], [], {}),
    ("text", "qwen2-5-vl", None, [], [], {}),
]  # fmt: skip
QUESTION = "What happens to the red cube?\nA. It stops. B. It moves.  🙂 <answer> C </answer>"


def main() -> None:
    generator = torch.Generator().manual_seed(11)
    tensors, prompts = {}, []
    for name, folder, system, video_sizes, image_sizes, variables in CASES:
        processor = AutoProcessor.from_pretrained(CHECKPOINTS / folder)
        videos = [
            torch.randint(0, 256, (n, 3, h, w), generator=generator, dtype=torch.uint8) for n, h, w, _ in video_sizes
        ]
        images = [torch.randint(0, 256, (3, h, w), generator=generator, dtype=torch.uint8) for h, w in image_sizes]
        content = [{"type": "video"} for _ in videos] + [{"type": "image"} for _ in images]
        messages = [{"role": "user", "content": [*content, {"type": "text", "text": QUESTION}]}]
        if system is not None:
            messages.insert(0, {"role": "system", "content": system})
        text = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True, **variables)
        metadata = [
            VideoMetadata(total_num_frames=n, fps=fps, frames_indices=list(range(n))) for n, _, _, fps in video_sizes
        ]
        inputs = processor(
            text=[text],
            videos=videos or None,
            images=images or None,
            return_tensors="pt",
            videos_kwargs={"video_metadata": metadata or None, "do_sample_frames": False, "do_resize": False},
            images_kwargs={"do_resize": False},
        )
        for i, video in enumerate(videos):
            tensors[f"{name}.video.{i}"] = video
        for i, image in enumerate(images):
            tensors[f"{name}.image.{i}"] = image
        for key in ("pixel_values", "pixel_values_videos"):
            if key in inputs:
                tensors[f"{name}.{key}"] = inputs[key].contiguous()
        prompts.append(
            {
                "name": name,
                "folder": folder,
                "system": system,
                "question": QUESTION,
                "variables": variables,
                "num_videos": len(videos),
                "num_images": len(images),
                "text": text,
                "input_ids": inputs["input_ids"][0].tolist(),
                "mm_token_type_ids": inputs["mm_token_type_ids"][0].tolist(),
                "video_grid_thw": inputs["video_grid_thw"].tolist() if videos else [],
                "image_grid_thw": inputs["image_grid_thw"].tolist() if images else [],
                "second_per_grid_ts": [float(s) for s in inputs["second_per_grid_ts"]] if videos else [],
            }
        )
    (HERE / "prompts.json").write_text(json.dumps(prompts, indent=1) + "\n")
    save_file(tensors, HERE / "pixels.safetensors")


if __name__ == "__main__":
    main()
