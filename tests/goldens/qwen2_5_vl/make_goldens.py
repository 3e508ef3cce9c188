"""Numbers that transformers and PEFT give for the tiny checkpoints of ../checkpoints.

Writes beside itself:
  <checkpoint>.json   one file a checkpoint: prompts (images, videos, text) with position ids, vision features, logits,
                      log-probabilities, greedy tokens, and the gradient norm of every parameter for one completion
  (make_shapes.py writes shapes.json: every shape of the family, several seeds)
  sampler.json        scores after transformers' logits processors
  lora/               an adapter folder as PEFT saves it, and lora.json with the adapted logits

Pixels are not stored: both sides compute them from an integer hash (`pixels` here, `hashedPixels` in the tests).
Arrays are base64 of little-endian float32.

Run:  python make_goldens.py      (torch, torchvision, transformers >= 5.18, peft, safetensors)
"""

import base64
import json
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

import torchvision_operators  # noqa: E402, F401
from peft import LoraConfig, get_peft_model  # noqa: E402
from transformers import (  # noqa: E402
    LogitsProcessorList,
    MinPLogitsWarper,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLForConditionalGeneration,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

HERE = Path(__file__).parent
CHECKPOINTS = HERE.parent / "checkpoints"

VISION_START, VISION_END, IMAGE, VIDEO = 489, 490, 492, 493
BANNED = [489, 490, 491, 492, 493]  # never generated: transformers itself fails on a generated placeholder


def hashed(seed: int, count: int) -> np.ndarray:
    """`count` uint32 of a small integer hash: the same in every language."""
    offset = np.uint32(seed * 0x85EBCA6B % 2**32)
    x = np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B9) + offset
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x7FEB352D)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x846CA68B)
    x ^= x >> np.uint32(16)
    return x


def pixels(seed: int, patches: int, width: int) -> torch.Tensor:
    """Values in [-2, 2), multiples of 2^-22, exact in float32."""
    x = (hashed(seed, patches * width) >> np.uint32(8)).astype(np.float64) / 2**22 - 2
    return torch.from_numpy(x.astype(np.float32)).reshape(patches, width)


def words(seed: int, count: int) -> list[int]:
    return (hashed(seed + 1000, count) % np.uint32(480)).tolist()


def pack(tensor: torch.Tensor) -> dict:
    array = tensor.detach().to(torch.float32).contiguous().numpy()
    return {"shape": list(array.shape), "data": base64.b64encode(array.tobytes()).decode()}


# Each prompt: what stands between stretches of text. ("video", grid, seconds per grid) or ("image", grid).
PROMPTS = {
    "one video": [("text", 7), ("video", [3, 6, 10], 0.8), ("text", 9)],
    "single slice": [("text", 3), ("video", [1, 4, 6], 1.0), ("text", 5)],
    "long in time": [("text", 2), ("video", [9, 2, 4], 1.7), ("text", 4)],
    "three videos and an image": [
        ("text", 3), ("video", [2, 4, 4], 0.5), ("text", 2), ("image", [1, 6, 4]), ("text", 4),
        ("video", [3, 2, 6], 2.0), ("video", [1, 2, 2], 1.0), ("text", 6),
    ],
    "two images": [("text", 1), ("image", [1, 8, 6]), ("text", 3), ("image", [1, 2, 14]), ("text", 5)],
    "text only": [("text", 12)],
}  # fmt: skip
NUM_COMPLETION = 8
NUM_GREEDY = 10
LAST = 4  # logits of so many last positions are stored in full


def build(parts: list, merge: int) -> dict:
    ids, image_grids, video_grids, seconds = [], [], [], []
    for index, part in enumerate(parts):
        if part[0] == "text":
            ids += words(index + 17 * len(parts), part[1])
            continue
        grid = part[1]
        count = grid[0] * grid[1] * grid[2] // merge**2
        ids += [VISION_START, *[VIDEO if part[0] == "video" else IMAGE] * count, VISION_END]
        if part[0] == "video":
            video_grids.append(grid)
            seconds.append(part[2])
        else:
            image_grids.append(grid)
    return {"input_ids": ids, "image_grid_thw": image_grids, "video_grid_thw": video_grids, "second_per_grid_ts": seconds}


def model_inputs(prompt: dict, ids: list[int], width: int, is25: bool) -> dict:
    input_ids = torch.tensor([ids])
    inputs = {
        "input_ids": input_ids,
        "attention_mask": torch.ones_like(input_ids),
        "mm_token_type_ids": (input_ids == IMAGE).int() + 2 * (input_ids == VIDEO).int(),
    }
    for kind, key, seed in (("image", "pixel_values", 1), ("video", "pixel_values_videos", 2)):
        grids = prompt[f"{kind}_grid_thw"]
        if grids:
            inputs[f"{kind}_grid_thw"] = torch.tensor(grids)
            inputs[key] = pixels(seed, sum(t * h * w for t, h, w in grids), width)
    if is25 and prompt["second_per_grid_ts"]:
        inputs["second_per_grid_ts"] = torch.tensor(prompt["second_per_grid_ts"])
    return inputs


def prompt_golden(model, parts: list, is25: bool, with_gradients: bool) -> dict:
    vision = model.config.vision_config
    merge = vision.spatial_merge_size
    width = 3 * vision.temporal_patch_size * vision.patch_size**2
    golden = build(parts, merge)
    prompt_ids = golden["input_ids"]
    completion = words(5, NUM_COMPLETION)
    golden["completion_ids"] = completion
    inputs = model_inputs(golden, prompt_ids + completion, width, is25)

    has_vision = bool(golden["image_grid_thw"] or golden["video_grid_thw"])
    if has_vision:
        keys = ("input_ids", "mm_token_type_ids", "image_grid_thw", "video_grid_thw") + (("second_per_grid_ts",) if is25 else ())
        positions, delta = model.model.get_rope_index(**{k: inputs[k] for k in keys if k in inputs})
    else:
        positions = torch.arange(len(prompt_ids) + NUM_COMPLETION).view(1, 1, -1).expand(3, 1, -1)
        delta = torch.zeros(1, 1)
    golden["position_ids"] = positions[:, 0].tolist()
    golden["rope_delta"] = int(delta.item())

    with torch.no_grad():
        if "pixel_values_videos" in inputs:
            outputs = model.model.get_video_features(inputs["pixel_values_videos"], inputs["video_grid_thw"])
            golden["video_features"] = pack(torch.cat(list(outputs.pooler_output)))
        if "pixel_values" in inputs:
            outputs = model.model.get_image_features(inputs["pixel_values"], inputs["image_grid_thw"])
            golden["image_features"] = pack(torch.cat(list(outputs.pooler_output)))

    model.zero_grad()
    logits = model(**inputs, use_cache=False).logits[0].float()
    logps = logits.log_softmax(-1)[:-1].gather(1, inputs["input_ids"][0, 1:, None])[:, 0]
    golden["logits_last"] = pack(logits[-LAST:])
    golden["logps"] = pack(logps)
    if with_gradients:
        loss = -logps[-NUM_COMPLETION:].mean()
        loss.backward()
        golden["loss"] = loss.item()
        golden["grad_norms"] = {
            name.replace("model.visual.", "visual.").replace("model.language_model.", "model."): p.grad.norm().item()
            for name, p in model.named_parameters()
            if p.grad is not None
        }
        model.zero_grad()

    greedy = model_inputs(golden, prompt_ids, width, is25)
    with torch.no_grad():
        tokens = model.generate(
            **greedy, do_sample=False, repetition_penalty=1.0, temperature=1.0, top_k=None, top_p=None,
            max_new_tokens=NUM_GREEDY, min_new_tokens=NUM_GREEDY, eos_token_id=-1, pad_token_id=0,
            suppress_tokens=BANNED,
        )  # fmt: skip
    golden["greedy_ids"] = tokens[0, len(prompt_ids) :].tolist()
    assert len(golden["greedy_ids"]) == NUM_GREEDY
    # The same without a cache: one full forward a token.
    ids = list(prompt_ids)
    for _ in range(NUM_GREEDY):
        with torch.no_grad():
            scores = model(**model_inputs(golden, ids, width, is25), use_cache=False).logits[0, -1]
        scores[BANNED] = -torch.inf
        ids.append(int(scores.argmax()))
    golden["greedy_full_ids"] = ids[len(prompt_ids) :]
    assert golden["greedy_full_ids"] == golden["greedy_ids"]
    return golden


def checkpoint_goldens(name: str) -> None:
    is25 = name != "qwen2-vl"
    model_class = Qwen2_5_VLForConditionalGeneration if is25 else Qwen2VLForConditionalGeneration
    model = model_class.from_pretrained(CHECKPOINTS / name, dtype=torch.float32)
    goldens = {
        title: prompt_golden(model, parts, is25, with_gradients=title in ("one video", "two images"))
        for title, parts in PROMPTS.items()
    }
    write(f"{name}.json", goldens)


def sampler_goldens() -> None:
    vocab, rows = 40, 3
    scores = torch.from_numpy((hashed(99, rows * vocab) >> np.uint32(8)).astype(np.float64) / 2**21 - 4)
    scores = scores.to(torch.float32).reshape(rows, vocab)
    seen = torch.tensor([[1, 5, 7, 5], [0, 0, 39, 12], [3, 4, 8, 9]])
    cases = [
        {"temperature": 0.7},
        {"top_k": 5},
        {"top_p": 0.6},
        {"min_p": 0.2},
        {"repetition_penalty": 1.3},
        {"repetition_penalty": 1.1, "temperature": 1.5, "top_k": 12, "top_p": 0.8, "min_p": 0.1},
        {"temperature": 0.5, "top_p": 0.05},
    ]
    out = []
    for case in cases:
        chain = LogitsProcessorList()
        if "repetition_penalty" in case:
            chain.append(RepetitionPenaltyLogitsProcessor(case["repetition_penalty"]))
        if "temperature" in case:
            chain.append(TemperatureLogitsWarper(case["temperature"]))
        if "top_k" in case:
            chain.append(TopKLogitsWarper(case["top_k"]))
        if "top_p" in case:
            chain.append(TopPLogitsWarper(case["top_p"]))
        if "min_p" in case:
            chain.append(MinPLogitsWarper(case["min_p"]))
        out.append({"options": case, "probabilities": pack(chain(seen, scores.clone()).softmax(-1))})
    write("sampler.json", {"scores": pack(scores), "seen": seen.tolist(), "cases": out})


def lora_goldens() -> None:
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(CHECKPOINTS / "qwen2-5-vl", dtype=torch.float32)
    config = LoraConfig(
        r=4, lora_alpha=6, lora_dropout=0.0, bias="none", target_modules=["q_proj", "v_proj", "o_proj", "down_proj"],
        exclude_modules=r".*visual.*",
    )  # fmt: skip
    adapted = get_peft_model(model, config)
    with torch.no_grad():
        for index, (name, p) in enumerate(sorted(adapted.named_parameters())):
            if "lora_" in name:
                noise = (hashed(index, p.numel()) >> np.uint32(8)).astype(np.float64) / 2**24 - 0.5
                p.copy_(torch.from_numpy(noise.astype(np.float32)).reshape(p.shape))
    adapted.save_pretrained(HERE / "lora")
    (HERE / "lora" / "README.md").unlink(missing_ok=True)
    (HERE / "lora" / "adapter_model.safetensors").chmod(0o644)
    path = HERE / "lora" / "adapter_config.json"
    saved = json.loads(path.read_text()) | {"base_model_name_or_path": "qwen2-5-vl"}
    saved["target_modules"].sort()
    path.write_text(json.dumps(saved, indent=2, sort_keys=True) + "\n")
    prompt = build(PROMPTS["one video"], 2)
    inputs = model_inputs(prompt, prompt["input_ids"], 1176, True)
    with torch.no_grad():
        logits = adapted(**inputs, use_cache=False).logits[0, -LAST:]
        with adapted.disable_adapter():
            plain = adapted(**inputs, use_cache=False).logits[0, -LAST:]
    assert (logits - plain).abs().max() > 0.1
    write("lora.json", {**prompt, "logits_last": pack(logits), "logits_last_off": pack(plain)})


def write(name: str, value) -> None:
    path = HERE / name
    path.write_text(json.dumps(value, separators=(",", ":")) + "\n")
    print(name, path.stat().st_size, "bytes")


if __name__ == "__main__":
    torch.set_num_threads(1)
    for checkpoint in ("qwen2-5-vl", "qwen2-5-vl-flat", "qwen2-5-vl-tied", "qwen2-vl"):
        checkpoint_goldens(checkpoint)
    sampler_goldens()
    lora_goldens()
