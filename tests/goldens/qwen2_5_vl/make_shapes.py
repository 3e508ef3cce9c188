"""Every shape of the family, several seeds each: what transformers computes with weights that both sides take from a hash.

No checkpoint is stored: a weight's values follow from the seed and the weight's place in the sorted list of published names
(`hashed_weight` here, `hashedWeights` in the test). Each case holds the configuration in both styles.
Writes shapes.json beside itself. Run:  python make_shapes.py      (as make_goldens.py)
"""

import json

import numpy as np
import torch
from make_goldens import BANNED, HERE, IMAGE, VIDEO, VISION_END, VISION_START, build, hashed, model_inputs, pack, words
from transformers import (
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
)

IDS = dict(vision_start_token_id=VISION_START, vision_end_token_id=VISION_END, image_token_id=IMAGE, video_token_id=VIDEO)
TEXT = dict(
    vocab_size=496, max_position_embeddings=32768, rms_norm_eps=1e-6, rope_theta=1000000.0, bos_token_id=0, eos_token_id=1
)
VISION = dict(patch_size=14, spatial_merge_size=2, temporal_patch_size=2)

# Small copies: what the 3B, 7B, 32B and 72B differ in (tied or not, how many query heads share a key head, depth).
SHAPES = {
    "3b: tied, 8 query heads a key head": dict(
        tied=True,
        text=dict(hidden_size=64, intermediate_size=72, num_hidden_layers=3, num_attention_heads=8, num_key_value_heads=1),
        section=[1, 1, 2],
        vision=dict(depth=5, hidden_size=32, intermediate_size=36, num_heads=4, window_size=112, fullatt_block_indexes=[1, 4], tokens_per_second=2),
    ),
    "7b: untied, 7 query heads a key head": dict(
        tied=False,
        text=dict(hidden_size=56, intermediate_size=96, num_hidden_layers=2, num_attention_heads=7, num_key_value_heads=1),
        section=[1, 1, 2],
        vision=dict(depth=4, hidden_size=32, intermediate_size=52, num_heads=2, window_size=56, fullatt_block_indexes=[3], tokens_per_second=2),
    ),
    "72b: untied, 4 query heads a key head, 2 key heads": dict(
        tied=False,
        text=dict(hidden_size=64, intermediate_size=104, num_hidden_layers=4, num_attention_heads=8, num_key_value_heads=2),
        section=[1, 2, 1],
        vision=dict(depth=3, hidden_size=48, intermediate_size=60, num_heads=3, window_size=28, fullatt_block_indexes=[0, 2], tokens_per_second=4),
    ),
    "qwen2-vl 2b: tied": dict(
        tied=True,
        text=dict(hidden_size=48, intermediate_size=80, num_hidden_layers=2, num_attention_heads=6, num_key_value_heads=2),
        section=[1, 2, 1],
        vision=dict(depth=3, embed_dim=32, num_heads=2, mlp_ratio=4),
    ),
}  # fmt: skip

# One prompt a seed: one, two and three videos; a single slice; odd numbers of merged rows and columns.
PROMPTS = [
    [("text", 5), ("video", [5, 10, 14], 1.024), ("text", 6)],
    [("text", 2), ("video", [1, 6, 18], 1.0), ("text", 3), ("video", [3, 14, 6], 0.4167), ("text", 5)],
    [("text", 1), ("video", [2, 2, 10], 3.3), ("text", 1), ("video", [4, 6, 2], 11.0), ("image", [1, 10, 6]), ("text", 2),
     ("video", [1, 2, 2], 2.0), ("text", 7)],
]  # fmt: skip


def hashed_weight(seed: int, index: int, name: str, shape) -> torch.Tensor:
    """Uniform values with a deviation of about 1/sqrt(inputs); norms around one."""
    count = int(np.prod(shape))
    noise = (hashed(1000 * seed + index, count) >> np.uint32(8)).astype(np.float64) / 2**24 - 0.5
    if name.endswith(".bias"):
        value = noise * 0.1
    elif len(shape) == 1:
        value = 1 + noise * 0.5
    elif "embed_tokens" in name or "lm_head" in name:
        value = noise
    else:
        value = noise * 3.5 / np.sqrt(count / shape[0])
    return torch.from_numpy(value.astype(np.float32)).reshape(shape)


def published(name: str) -> str:
    return name.replace("model.visual.", "visual.").replace("model.language_model.", "model.")


def case(title: str, shape: dict, seed: int) -> dict:
    is25 = not title.startswith("qwen2-vl")
    text = TEXT | shape["text"] | {"rope_scaling": {"type": "mrope", "mrope_section": shape["section"]}}
    vision = VISION | shape["vision"]
    vision["out_hidden_size" if is25 else "hidden_size"] = text["hidden_size"]
    config = (Qwen2_5_VLConfig if is25 else Qwen2VLConfig)(
        vision_config=dict(vision), tie_word_embeddings=shape["tied"], **text, **IDS
    )
    model_class = Qwen2_5_VLForConditionalGeneration if is25 else Qwen2VLForConditionalGeneration
    model = model_class(config).eval()
    named = sorted((published(name), p) for name, p in model.named_parameters())
    with torch.no_grad():
        for index, (name, parameter) in enumerate(named):
            parameter.copy_(hashed_weight(seed, index, name, tuple(parameter.shape)))

    model_type = "qwen2_5_vl" if is25 else "qwen2_vl"
    nested = json.loads(config.to_json_string(use_diff=False))
    flat = {"model_type": model_type, **text, **IDS, "tie_word_embeddings": shape["tied"]}
    flat["vision_config"] = vision | {"in_chans": 3, "spatial_patch_size": 14}

    prompt = build(PROMPTS[seed % len(PROMPTS)], 2)
    ids = prompt["input_ids"]
    completion = words(seed, 6)
    inputs = model_inputs(prompt, ids + completion, 1176, is25)
    with torch.no_grad():
        logits = model(**inputs, use_cache=False).logits[0].float()
        features = model.model.get_video_features(inputs["pixel_values_videos"], inputs["video_grid_thw"]).pooler_output
        greedy = model.generate(
            **model_inputs(prompt, ids, 1176, is25), do_sample=False, max_new_tokens=8, min_new_tokens=8, eos_token_id=-1,
            pad_token_id=0, suppress_tokens=BANNED,
        )  # fmt: skip
    logps = logits.log_softmax(-1)[:-1].gather(1, inputs["input_ids"][0, 1:, None])[:, 0]
    return {
        "title": title, "seed": seed, "flat": flat, "nested": nested, **prompt, "completion_ids": completion,
        "video_features": pack(torch.cat(list(features))[::5]), "logits_last": pack(logits[-1]),
        "logps": pack(logps[len(ids) - 1 :]), "greedy_ids": greedy[0, len(ids) :].tolist(),
    }  # fmt: skip


def main() -> None:
    torch.set_num_threads(1)
    cases = [case(title, shape, seed) for title, shape in SHAPES.items() for seed in (1, 2, 3)]
    text = "[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]\n"
    (HERE / "shapes.json").write_text(text)
    print("shapes.json", len(text), "bytes;", [c["greedy_ids"] for c in cases])


if __name__ == "__main__":
    main()
