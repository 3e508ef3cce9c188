"""Ten steps of torch.optim.Muon, and transformers' supervised loss of two prompts, in numbers.

    python tests/goldens/sft/make_goldens.py

muon.json: orthogonalisation and ten steps on three matrices (wide, tall, square) with integer-hash weights and gradients.
`torch.optim.Muon` runs its Newton-Schulz steps in bfloat16; `float32` holds the same code of torch with that one cast
replaced by `.float()`, `bfloat16` holds torch as it is.

loss.json: loss and gradient norms of transformers' Qwen2_5_VLForConditionalGeneration on the golden checkpoint
`qwen2-5-vl`, two questions with one video, each forward alone, prompts masked with -100 by `labels`; weights of the loss:
all target tokens of both rows count the same.
"""

import inspect
import json
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

import torchvision_operators  # noqa: E402, F401
from torch.optim import Muon, _muon  # noqa: E402
from transformers import Qwen2_5_VLForConditionalGeneration  # noqa: E402

HERE = Path(__file__).parent
SHAPES = {"wide": (6, 10), "tall": (12, 5), "square": (8, 8)}
OPTIONS = {"lr": 0.02, "momentum": 0.95, "weight_decay": 0.1}
STEPS = 10
torch.set_num_threads(1)


def hash32(seed, index):
    x = (index * 0x9E3779B9 + seed * 0x85EBCA6B) & 0xFFFFFFFF
    x ^= x >> 16
    x = (x * 0x7FEB352D) & 0xFFFFFFFF
    x ^= x >> 15
    x = (x * 0x846CA68B) & 0xFFFFFFFF
    return x ^ (x >> 16)


def noise(seed, shape):
    count = torch.Size(shape).numel()
    values = [(hash32(seed, i) >> 8) / 2**24 - 0.5 for i in range(count)]
    return torch.tensor(values, dtype=torch.float64).float().reshape(shape)


def pixels(seed, patches, width):
    values = [(hash32(seed, i) >> 8) / 2**22 - 2 for i in range(patches * width)]
    return torch.tensor(values, dtype=torch.float64).float().reshape(patches, width)


def muon_run():
    result = {}
    for index, (name, shape) in enumerate(SHAPES.items()):
        param = torch.nn.Parameter(noise(index, shape))
        optimizer = Muon([param], **OPTIONS)
        for step in range(STEPS):
            param.grad = noise(100 + 10 * step + index, shape)
            optimizer.step()
        orthogonal = _muon._zeropower_via_newtonschulz(
            noise(100 + index, shape), (3.4445, -4.7750, 2.0315), 5, 1e-7
        )
        result[name] = {
            "orthogonal": orthogonal.float().flatten().tolist(),
            "param": param.detach().flatten().tolist(),
            "momentum": optimizer.state[param]["momentum_buffer"].flatten().tolist(),
        }
    return result


def muon():
    golden = {"torch": torch.__version__, "shapes": SHAPES, "options": OPTIONS, "steps": STEPS}
    golden["bfloat16"] = muon_run()
    source = inspect.getsource(_muon._zeropower_via_newtonschulz)
    assert source.count(".bfloat16()") == 1
    exec(source.replace(".bfloat16()", ".float()"), _muon.__dict__)
    golden["float32"] = muon_run()
    (HERE / "muon.json").write_text(json.dumps(golden))


def loss():
    folder = HERE.parent / "checkpoints" / "qwen2-5-vl"
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    config = model.config
    vision = config.vision_config
    grid = [2, 4, 4]
    unit = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
    tokens = grid[0] * grid[1] * grid[2] // vision.spatial_merge_size**2
    prefix = [5, 6, config.vision_start_token_id] + [config.video_token_id] * tokens + [config.vision_end_token_id]
    rows = [
        {"ids": [7, 8, 9, 30, 31, 32, 33, 34], "lossFrom": 3},
        {"ids": [10, 11, 12, 13, 14, 40, 41], "lossFrom": 5},
    ]
    total = sum(len(row["ids"]) - row["lossFrom"] for row in rows)
    summed, right = 0.0, 0
    for row in rows:
        ids = torch.tensor([prefix + row["ids"]])
        labels = ids.clone()
        labels[0, : len(prefix) + row["lossFrom"]] = -100
        types = (ids == config.video_token_id).int() * 2
        out = model(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            mm_token_type_ids=types,
            pixel_values_videos=pixels(2, grid[0] * grid[1] * grid[2], unit),
            video_grid_thw=torch.tensor([grid]),
            second_per_grid_ts=torch.tensor([0.5]),
            labels=labels,
        )
        count = len(row["ids"]) - row["lossFrom"]
        (out.loss * count / total).backward()
        summed += out.loss.item() * count
        first = len(prefix) + row["lossFrom"]
        right += (out.logits[0, first - 1 : -1].argmax(-1) == ids[0, first:]).sum().item()
    names = {
        "model.language_model.embed_tokens.weight": "model.embed_tokens.weight",
        "lm_head.weight": "lm_head.weight",
        "model.language_model.layers.0.self_attn.q_proj.weight": "model.layers.0.self_attn.q_proj.weight",
        "model.language_model.layers.1.mlp.down_proj.weight": "model.layers.1.mlp.down_proj.weight",
        "model.visual.patch_embed.proj.weight": "visual.patch_embed.proj.weight",
        "model.visual.merger.mlp.0.weight": "visual.merger.mlp.0.weight",
    }
    params = dict(model.named_parameters())
    golden = {
        "prefix": prefix,
        "grid": grid,
        "second_per_grid": 0.5,
        "rows": rows,
        "loss": summed / total,
        "num_right": right,
        "grad_norms": {ours: params[theirs].grad.norm().item() for theirs, ours in names.items()},
    }
    (HERE / "loss.json").write_text(json.dumps(golden, indent=1))


muon()
loss()
