"""A folder as transformers 4.49 saves it, whose config.json states only what differs from the class defaults, and what 4.49 computes.

The weights come from a hash (as in make_shapes.py); config.json is the text that `save_pretrained` of 4.49 wrote. The video reaches further in
time than in space, so that the positions of the text after it are those of transformers 4 (`largest`).
Writes minimal.json beside itself. Run:  python make_minimal.py      (torch, torchvision, transformers == 4.49, peft == 0.14)
"""

import json
import tempfile
from pathlib import Path

import torch
import transformers
from make_goldens import HERE, build, model_inputs, pack, words
from make_shapes import IDS, PROMPTS, hashed_weight, published
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

TEXT = dict(
    vocab_size=496, hidden_size=64, intermediate_size=72, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    max_position_embeddings=32768, rms_norm_eps=1e-6, rope_theta=1000000.0, bos_token_id=0, eos_token_id=1,
    rope_scaling={"type": "mrope", "mrope_section": [2, 3, 3]}, tie_word_embeddings=False,
)  # fmt: skip
# Of the tower only this differs from the class defaults: intermediate_size 3420, 16 heads, patches of 14, windows of 112 are left out.
VISION = dict(depth=2, hidden_size=64, out_hidden_size=64, fullatt_block_indexes=[1], tokens_per_second=2, in_chans=3, spatial_patch_size=14)
SEED = 5


def main() -> None:
    torch.set_num_threads(1)
    assert transformers.__version__.startswith("4.49."), transformers.__version__
    model = Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig(vision_config=dict(VISION), **TEXT, **IDS)).eval()
    named = sorted((published(name), p) for name, p in model.named_parameters())
    with torch.no_grad():
        for index, (name, parameter) in enumerate(named):
            parameter.copy_(hashed_weight(SEED, index, name, tuple(parameter.shape)))
    with tempfile.TemporaryDirectory() as folder:
        model.config.save_pretrained(folder)
        config = json.loads((Path(folder) / "config.json").read_text())
    assert "intermediate_size" not in config["vision_config"] and "num_heads" not in config["vision_config"]
    prompt = build([("text", 4), ("video", [4, 6, 10], 4.0), ("text", 5)], 2)
    completion = words(SEED, 8)
    inputs = model_inputs(prompt, prompt["input_ids"] + completion, 1176, True)
    inputs.pop("mm_token_type_ids", None)
    with torch.no_grad():
        logits = model(**inputs, use_cache=False).logits[0].float()
        positions, delta = model.get_rope_index(
            inputs["input_ids"], None, inputs["video_grid_thw"], torch.tensor(prompt["second_per_grid_ts"]), inputs["attention_mask"]
        )
    logps = logits.log_softmax(-1)[:-1].gather(1, inputs["input_ids"][0, 1:, None])[:, 0]
    count = len(prompt["input_ids"])
    value = {
        "seed": SEED, "config": config, **prompt, "completion_ids": completion, "logps": pack(logps[count - 1 :]),
        "position_ids": positions[:, 0].tolist(), "rope_delta": delta.item(),
    }  # fmt: skip
    path = HERE / "minimal.json"
    path.write_text(json.dumps(value, separators=(",", ":")) + "\n")
    print(path.name, path.stat().st_size, "bytes;", json.dumps(config["vision_config"]), logps[count - 1 :])


if __name__ == "__main__":
    main()
