"""Every shape of Qwen3-VL, several seeds each: what transformers computes with weights that both sides take from a hash.

No checkpoint is stored: `hashed_weight` of ../qwen2_5_vl/make_shapes.py gives the weights here and in the tests. A case holds the
configuration as 4.57 and as 5.x write it, a prompt, and for it positions, features of the tower (the merged ones and those for the
first decoder layers), log-probabilities, greedy tokens, and the gradient of a GRPO loss over three completions by autograd: of every
weight its norm and its product with hashed noise.

Writes shapes.json beside itself. Run:  python make_shapes.py      (torch, torchvision, transformers >= 5.18)
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "qwen2_5_vl"))

from make_goldens import BANNED, IMAGE, VIDEO, VISION_END, VISION_START, hashed, model_inputs, pack, words  # noqa: E402
from make_shapes import hashed_weight, published  # noqa: E402
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration  # noqa: E402

IDS = dict(vision_start_token_id=VISION_START, vision_end_token_id=VISION_END, image_token_id=IMAGE, video_token_id=VIDEO)
TEXT = dict(vocab_size=496, max_position_embeddings=32768, rms_norm_eps=1e-6, attention_bias=False, hidden_act="silu")
VISION = dict(patch_size=16, spatial_merge_size=2, temporal_patch_size=2, in_channels=3, hidden_act="gelu_pytorch_tanh")
THETA = 5000000.0

# Small copies: what 2B, 4B, 8B and 32B differ in (tied or not, heads wider than hidden / heads, heads a key head, depth of the tower
# and which of its blocks reach into the decoder).
SHAPES = {
    "2b: tied, 2 query heads a key head": dict(
        tied=True, section=[4, 2, 2],
        text=dict(hidden_size=32, intermediate_size=96, num_hidden_layers=5, num_attention_heads=2, num_key_value_heads=1, head_dim=16),
        vision=dict(depth=4, hidden_size=32, intermediate_size=64, num_heads=2, num_position_embeddings=36, deepstack_visual_indexes=[0, 1, 2]),
    ),
    "4b: tied, heads wider than the hidden states": dict(
        tied=True, section=[6, 5, 5],
        text=dict(hidden_size=40, intermediate_size=72, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2, head_dim=32),
        vision=dict(depth=5, hidden_size=48, intermediate_size=52, num_heads=3, num_position_embeddings=49, deepstack_visual_indexes=[0, 2, 4]),
    ),
    "8b: untied, 4 query heads a key head": dict(
        tied=False, section=[3, 2, 3],
        text=dict(hidden_size=64, intermediate_size=88, num_hidden_layers=5, num_attention_heads=4, num_key_value_heads=1, head_dim=16),
        vision=dict(depth=6, hidden_size=32, intermediate_size=44, num_heads=4, num_position_embeddings=16, deepstack_visual_indexes=[1, 3]),
    ),
    "32b: untied, four blocks for the decoder, not in order": dict(
        tied=False, section=[4, 4, 4],
        text=dict(hidden_size=48, intermediate_size=80, num_hidden_layers=6, num_attention_heads=8, num_key_value_heads=2, head_dim=24),
        vision=dict(depth=5, hidden_size=64, intermediate_size=60, num_heads=2, num_position_embeddings=25, deepstack_visual_indexes=[3, 0, 4, 1]),
    ),
}  # fmt: skip

# One prompt a seed: one and several videos and images, a single slice, odd numbers of slices and of merged rows and columns, a slice
# larger than the table of positions, a column of one merged patch.
PROMPTS = [
    [("text", 5), ("video", [5, 6, 10]), ("text", 6)],
    [("text", 2), ("video", [1, 6, 14]), ("text", 3), ("video", [3, 10, 2]), ("text", 5)],
    [("text", 1), ("image", [1, 4, 6]), ("text", 3), ("video", [2, 2, 8]), ("text", 1), ("video", [3, 4, 2]), ("image", [1, 10, 6]),
     ("text", 7)],
]  # fmt: skip


def build(parts: list) -> dict:
    """Token ids of a prompt; before every slice stand the words of its time."""
    ids, image_grids, video_grids = [], [], []
    for index, (kind, size) in enumerate(parts):
        if kind == "text":
            ids += words(index + 17 * len(parts), size)
            continue
        t, h, w = size
        run = [VISION_START, *[VIDEO if kind == "video" else IMAGE] * (h * w // 4), VISION_END]
        if kind == "image":
            image_grids.append(size)
            ids += run
            continue
        video_grids.append(size)
        for slice_index in range(t):
            ids += words(31 * index + slice_index, 4) + run
    return {"input_ids": ids, "image_grid_thw": image_grids, "video_grid_thw": video_grids, "second_per_grid_ts": []}


def configs(shape: dict) -> tuple[Qwen3VLConfig, dict, dict]:
    text = TEXT | shape["text"]
    vision = VISION | shape["vision"] | {"out_hidden_size": shape["text"]["hidden_size"]}
    rope = {"mrope_interleaved": True, "mrope_section": shape["section"], "rope_type": "default"}
    config = Qwen3VLConfig(
        text_config=text | {"rope_parameters": rope | {"rope_theta": THETA}}, vision_config=dict(vision),
        tie_word_embeddings=shape["tied"], **IDS,
    )  # fmt: skip
    old_text = text | {"model_type": "qwen3_vl_text", "rope_scaling": rope, "rope_theta": THETA}
    old = {
        "model_type": "qwen3_vl", "text_config": old_text, "vision_config": vision | {"model_type": "qwen3_vl"},
        "tie_word_embeddings": shape["tied"], **IDS,
    }  # fmt: skip
    return config, old, json.loads(config.to_json_string(use_diff=False))


def group_loss(model, prompt: dict, completions: list, width: int, golden: dict) -> torch.Tensor:
    """GRPO's loss of a group: clipped ratio to a policy before, k3 against a reference, mean over tokens, then over completions."""
    advantages = [0.9, -1.3, 0.4]
    epsilon, beta = 0.2, 0.04
    losses, old_rows, ref_rows = [], [], []
    for g, completion in enumerate(completions):
        ids = prompt["input_ids"] + completion
        logits = model(**model_inputs(prompt, ids, width, False), use_cache=False).logits[0].float()
        logps = logits.log_softmax(-1)[:-1].gather(1, torch.tensor(ids)[1:, None])[-len(completion) :, 0]
        noise = torch.from_numpy((hashed(900 + g, 2 * len(completion)) >> np.uint32(8)).astype(np.float64) / 2**24 - 0.5).float()
        old, ref = (logps.detach() + 0.8 * part for part in noise.chunk(2))
        ratio = (logps - old).exp()
        policy = -torch.min(ratio * advantages[g], ratio.clamp(1 - epsilon, 1 + epsilon) * advantages[g])
        kl = (ref - logps).exp() - (ref - logps) - 1
        losses.append((policy + beta * kl).mean())
        old_rows.append(old.tolist())
        ref_rows.append(ref.tolist())
    golden |= {"advantages": advantages, "epsilon": epsilon, "beta": beta, "old_logps": old_rows, "ref_logps": ref_rows}
    return torch.stack(losses).mean()


def gradients(model, prompt: dict, seed: int, width: int) -> dict:
    completions = [words(seed + 40 + g, length) for g, length in enumerate((6, 3, 9))]
    golden = {"completions": completions}
    model.zero_grad()
    loss = group_loss(model, prompt, completions, width, golden)
    loss.backward()
    golden["loss"] = loss.item()
    named = sorted((published(name), p) for name, p in model.named_parameters())
    numbers = {}
    for index, (name, p) in enumerate(named):
        grad = (torch.zeros_like(p) if p.grad is None else p.grad).double().flatten()
        noise = (hashed(5000 + index, p.numel()) >> np.uint32(8)).astype(np.float64) / 2**24 - 0.5
        numbers[name] = [float(f"{x:.9g}") for x in (grad.norm().item(), (grad * torch.from_numpy(noise)).sum().item())]
    golden["gradients"] = numbers
    model.zero_grad()
    return golden


def case(title: str, shape: dict, seed: int) -> dict:
    config, old, new = configs(shape)
    model = Qwen3VLForConditionalGeneration(config).eval()
    named = sorted((published(name), p) for name, p in model.named_parameters())
    with torch.no_grad():
        for index, (name, parameter) in enumerate(named):
            parameter.copy_(hashed_weight(seed, index, name, tuple(parameter.shape)))

    prompt = build(PROMPTS[seed % len(PROMPTS)])
    ids = prompt["input_ids"]
    completion = words(seed, 6)
    width = 3 * 2 * 16 * 16
    inputs = model_inputs(prompt, ids + completion, width, False)
    positions, delta = model.model.get_rope_index(
        **{k: v for k, v in inputs.items() if k in ("input_ids", "mm_token_type_ids", "image_grid_thw", "video_grid_thw")}
    )
    with torch.no_grad():
        logits = model(**inputs, use_cache=False).logits[0].float()
        tower = model.model.get_video_features(inputs["pixel_values_videos"], inputs["video_grid_thw"])
        greedy = model.generate(
            **model_inputs(prompt, ids, width, False), do_sample=False, max_new_tokens=8, min_new_tokens=8, eos_token_id=-1,
            pad_token_id=0, suppress_tokens=BANNED,
        )  # fmt: skip
    logps = logits.log_softmax(-1)[:-1].gather(1, inputs["input_ids"][0, 1:, None])[:, 0]
    return {
        "title": title, "seed": seed, "flat": old, "nested": new, **prompt, "completion_ids": completion,
        "position_ids": positions[:, 0].tolist(), "rope_delta": int(delta.item()),
        "video_features": pack(torch.cat(list(tower.pooler_output))[::5]),
        "deepstack": [pack(torch.cat(list(layer))[::5]) for layer in tower.deepstack_features],
        "logits_last": pack(logits[-1]), "logps": pack(logps[len(ids) - 1 :]), "greedy_ids": greedy[0, len(ids) :].tolist(),
        "group": gradients(model, prompt, seed, width),
    }  # fmt: skip


def main() -> None:
    torch.set_num_threads(1)
    cases = [case(title, shape, seed) for title, shape in SHAPES.items() for seed in (1, 2, 3)]
    text = "[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]\n"
    (HERE / "shapes.json").write_text(text)
    print("shapes.json", len(text), "bytes;", [c["greedy_ids"] for c in cases])


if __name__ == "__main__":
    main()
