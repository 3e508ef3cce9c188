"""What `twgrpo logprobs` must print, computed by transformers: from a video file and two texts to log-probabilities.

Nothing of twgrpo is used: PyAV decodes, frames are sampled and sized by qwen_vl_utils' rules written down again, torchvision
resizes, the folder's AutoProcessor makes the inputs, AutoModelForImageTextToText scores and generates in float32.

Writes logprobs.json beside itself: one case a checkpoint of ../checkpoints and clip of ../video; with a folder of real clips
given, theirs too, named by file name.
Run:  python make_goldens.py [FOLDER_OF_REAL_CLIPS]      (av, torch, torchvision, transformers >= 5.18)
"""

import json
import math
import sys
from pathlib import Path

import av
import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

import torchvision_operators  # noqa: E402, F401
from torchvision.transforms import InterpolationMode, functional  # noqa: E402
from transformers import AutoModelForImageTextToText, AutoProcessor  # noqa: E402

HERE = Path(__file__).parent
FACTOR = 28


def sample_video(path, fps=2.0, min_frames=4, max_frames=16):
    """Decoded frames (N, 3, h, w) uint8 by qwen_vl_utils' rule (by time where the rate varies), their indices and times, and seconds of a slice of two frames."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        rate = float(stream.average_rate)
        decoded = list(container.decode(stream))
    frames = [torch.from_numpy(f.to_ndarray(format="rgb24")) for f in decoded]
    times = [f.time - decoded[0].time for f in decoded]
    total = len(frames)
    mean = times[-1] / (total - 1)
    is_constant = all(abs(t - i * mean) <= mean / 2 for i, t in enumerate(times))
    if not is_constant:  # the mean rate up to the end of the last frame, which stays as long as the shortest one
        rate = total / (times[-1] + min(b - a for a, b in zip(times, times[1:])))
    least = math.ceil(min_frames / 2) * 2
    most = math.floor(min(max_frames, total) / 2) * 2
    count = min(min(max(total / rate * fps, least), most), total)
    count = math.floor(count / 2) * 2
    indices = torch.linspace(0, total - 1, count).round().long().tolist()
    if not is_constant:  # the frame on the screen at evenly spread moments
        moments = [i * times[-1] / (count - 1) for i in range(count)]
        indices = [max(j for j, t in enumerate(times) if t <= moment + 1e-6) for moment in moments]
    video = torch.stack([frames[i] for i in indices]).permute(0, 3, 1, 2)
    return video, indices, [times[i] for i in indices], 2 / (count / total * rate)


def frame_size(height, width, count, min_pixels=128 * 784, max_pixels=196 * 784, total_pixels=int(128000 * 784 * 0.9)):
    """qwen_vl_utils' fetch_video and smart_resize."""
    max_pixels = max(min(max_pixels, total_pixels / count * 2), int(min_pixels * 1.05))
    h = max(FACTOR, round(height / FACTOR) * FACTOR)
    w = max(FACTOR, round(width / FACTOR) * FACTOR)
    if h * w > max_pixels:
        beta = math.sqrt(height * width / max_pixels)
        h = max(FACTOR, math.floor(height / beta / FACTOR) * FACTOR)
        w = max(FACTOR, math.floor(width / beta / FACTOR) * FACTOR)
    elif h * w < min_pixels:
        beta = math.sqrt(min_pixels / (height * width))
        h = math.ceil(height * beta / FACTOR) * FACTOR
        w = math.ceil(width * beta / FACTOR) * FACTOR
    return h, w


def load(folder):
    return AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval(), AutoProcessor.from_pretrained(folder)


def reference(model, processor, path, prompt, completion, second_per_grid=None, greedy=0, **sampling):
    video, indices, times, seconds = sample_video(path, **sampling)
    size = frame_size(*video.shape[2:], len(video))
    video = functional.resize(video, list(size), interpolation=InterpolationMode.BICUBIC, antialias=True)
    messages = [{"role": "user", "content": [{"type": "video"}, {"type": "text", "text": prompt}]}]
    text = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    inputs = processor(
        text=[text], videos=[video], return_tensors="pt", videos_kwargs={"do_sample_frames": False, "do_resize": False}
    )
    if "second_per_grid_ts" in inputs:
        inputs["second_per_grid_ts"] = torch.tensor([second_per_grid or seconds])
    tokenizer = processor.tokenizer
    ids = tokenizer(completion, add_special_tokens=False).input_ids + [tokenizer.convert_tokens_to_ids("<|im_end|>")]
    length = inputs["input_ids"].shape[1]
    whole = dict(inputs)
    whole["input_ids"] = torch.cat([inputs["input_ids"], torch.tensor([ids])], 1)
    whole["attention_mask"] = torch.ones_like(whole["input_ids"])
    whole["mm_token_type_ids"] = torch.cat([inputs["mm_token_type_ids"], torch.zeros(1, len(ids), dtype=torch.int)], 1)
    with torch.no_grad():
        logits = model(**whole, use_cache=False).logits[0, length - 1 : -1].float()
        logps = logits.log_softmax(-1).gather(1, torch.tensor(ids)[:, None])[:, 0]
        out = {
            "prompt_tokens": length,
            "grid_thw": inputs["video_grid_thw"].tolist(),
            "resized": list(size),
            "frame_indices": indices,
            "frame_times": times,
            "completion_ids": ids,
            "completion_logprobs": logps.tolist(),
        }
        if greedy:
            out["greedy_ids"] = model.generate(**inputs, do_sample=False, max_new_tokens=greedy)[0, length:].tolist()
    return out


PROMPTS = [
    ("What happens?", "The red cube collides with the blue sphere."),
    ("Which objects collide?\nA. cube\nB. sphere 🙂", "<think>Größe 视频</think><answer>A,B</answer>"),
    ("Why", ""),
]


def main():
    torch.set_num_threads(1)
    clips = sorted(p for p in (HERE.parent / "video").iterdir() if p.suffix in (".mp4", ".avi", ".mkv", ".webm"))
    real = sorted(Path(sys.argv[1]).glob("*.mp4")) if len(sys.argv) > 1 else []
    cases = []
    for name in ("qwen2-5-vl", "qwen2-5-vl-flat", "qwen2-5-vl-tied", "qwen2-vl"):
        model, processor = load(HERE.parent / "checkpoints" / name)
        plan = [(clip, None) for clip in (clips if name == "qwen2-5-vl" else clips[:2])]
        plan += [(clip, seconds) for clip in real for seconds in ((None, 1.0, 9.5) if name == "qwen2-5-vl" else (None,))]
        for index, (clip, second_per_grid) in enumerate(plan):
            prompt, completion = PROMPTS[index % len(PROMPTS)]
            result = reference(model, processor, clip, prompt, completion, second_per_grid, greedy=6)
            cases.append({
                "checkpoint": name, "clip": clip.name, "is_real": clip in real, "prompt": prompt, "completion": completion,
                "second_per_grid": second_per_grid, "greedy": 6, "result": result,
            })  # fmt: skip
            print(name, clip.name, result["grid_thw"], result["greedy_ids"])
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    (HERE / "logprobs.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
