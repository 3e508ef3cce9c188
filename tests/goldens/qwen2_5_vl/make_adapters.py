"""Adapters as PEFT saves them, beyond the plain one of `make_goldens.py`, and the numbers PEFT gives for them.

Writes adapters/<name>/ (adapter_config.json, adapter_model.safetensors) and adapters.json: for each the checkpoint it goes on, the prompt,
and the logits of the last positions with the adapter and after merge_and_unload.

Run:  python make_adapters.py      (torch, torchvision, transformers >= 5.18, peft >= 0.21, safetensors)
"""

import json
import shutil

import numpy as np
import torch
from make_goldens import CHECKPOINTS, HERE, LAST, PROMPTS, build, hashed, model_inputs, pack, write
from peft import LoraConfig, get_peft_model
from transformers import Qwen2_5_VLForConditionalGeneration

TEXT = r".*language_model.*\.(q_proj|down_proj)"
ADAPTERS = {
    # Ranks and strengths by module, through a name, an ending and a pattern.
    "patterns": (
        "qwen2-5-vl",
        dict(
            r=4, lora_alpha=6, target_modules=["q_proj", "v_proj", "down_proj"], exclude_modules=r".*visual.*",
            rank_pattern={"layers.0.self_attn.q_proj": 2, r"layers\.\d+\.mlp.*": 3},
            alpha_pattern={"v_proj": 5, r"^model\.language_model\.layers\.1\.self_attn\.q_proj": 9},
        ),
    ),
    "rslora": ("qwen2-5-vl", dict(r=16, lora_alpha=16, use_rslora=True, target_modules=TEXT)),
    "layers": ("qwen2-5-vl", dict(r=2, lora_alpha=4, target_modules=["o_proj", "up_proj"], layers_to_transform=[1], layers_pattern="layers")),
    "named-group": ("qwen2-5-vl", dict(r=2, lora_alpha=4, target_modules=r"(?i)(?P<where>.*visual.*)\.(?!merger)(qkv|mlp\.(?P<part>up_proj))")),
    "whole-modules": (
        "qwen2-5-vl",
        dict(r=2, lora_alpha=4, target_modules=TEXT, modules_to_save=["lm_head", "embed_tokens", "merger"]),
    ),
    "whole-embedding-tied": ("qwen2-5-vl-tied", dict(r=2, lora_alpha=4, target_modules=TEXT, modules_to_save=["embed_tokens"])),
    "whole-head-tied": ("qwen2-5-vl-tied", dict(r=2, lora_alpha=4, target_modules=TEXT, modules_to_save=["lm_head"])),
}  # fmt: skip


def logits_last(model, inputs) -> torch.Tensor:
    with torch.no_grad():
        return model(**inputs, use_cache=False).logits[0, -LAST:]


def main() -> None:
    shutil.rmtree(HERE / "adapters", ignore_errors=True)
    result = {}
    for name, (checkpoint, settings) in ADAPTERS.items():
        model = Qwen2_5_VLForConditionalGeneration.from_pretrained(CHECKPOINTS / checkpoint, dtype=torch.float32)
        adapted = get_peft_model(model, LoraConfig(lora_dropout=0.0, bias="none", **settings))
        with torch.no_grad():
            for index, (key, p) in enumerate(sorted(adapted.named_parameters())):
                if "lora_" in key or "modules_to_save" in key:
                    noise = (hashed(index, p.numel()) >> np.uint32(8)).astype(np.float64) / 2**24 - 0.5
                    noise = torch.from_numpy(noise.astype(np.float32)).reshape(p.shape)
                    p.copy_(noise if "lora_" in key else p + 0.2 * noise)
        folder = HERE / "adapters" / name
        adapted.save_pretrained(folder, save_embedding_layers=False)
        (folder / "README.md").unlink(missing_ok=True)
        (folder / "adapter_model.safetensors").chmod(0o644)
        path = folder / "adapter_config.json"
        saved = json.loads(path.read_text()) | {"base_model_name_or_path": checkpoint}
        if isinstance(saved["target_modules"], list):
            saved["target_modules"].sort()
        path.write_text(json.dumps(saved, indent=2, sort_keys=True) + "\n")
        prompt = build(PROMPTS["one video"], 2)
        inputs = model_inputs(prompt, prompt["input_ids"], 1176, True)
        on = logits_last(adapted, inputs)
        merged = logits_last(adapted.merge_and_unload(), inputs)
        print(name, "merged differs by", (on - merged).abs().max().item())
        result[name] = {"checkpoint": checkpoint, **prompt, "logits_last": pack(on)}
    write("adapters.json", result)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
