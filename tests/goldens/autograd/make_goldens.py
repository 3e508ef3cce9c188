"""A small network with every operator that the language model trains through, in plain PyTorch.

    python tests/goldens/autograd/make_goldens.py

Writes network.json (per dtype: loss and gradients) and adamw.json (ten steps of torch.optim.AdamW, with and without
`fused`, gradients clipped by torch.nn.utils.clip_grad_norm_). All weights come from an integer hash that the test
computes too, so that only results are stored. One thread: sums keep their order.
"""

import json
import math
from pathlib import Path

import torch
import torch.nn.functional as F

HERE = Path(__file__).parent
V, D, N, KV, H, I, B, T = 13, 8, 4, 2, 4, 12, 2, 5  # vocab, width, heads, kv heads, head size, inner, batch, tokens
EPS = 1e-6
SHAPES = {
    "embed.weight": (V, D),
    "input_norm.weight": (D,),
    "q_proj.weight": (N * H, D),
    "q_proj.bias": (N * H,),
    "k_proj.weight": (KV * H, D),
    "k_proj.bias": (KV * H,),
    "v_proj.weight": (KV * H, D),
    "v_proj.bias": (KV * H,),
    "o_proj.weight": (D, N * H),
    "post_norm.weight": (D,),
    "gate_proj.weight": (I, D),
    "up_proj.weight": (I, D),
    "down_proj.weight": (D, I),
    "norm.weight": (D,),
    "lm_head.weight": (V, D),
}
STEPS = 10
ADAMW = {"lr": 0.01, "betas": [0.9, 0.95], "eps": 1e-8, "weight_decay": 0.1}
MAX_NORM = 1.5


def hashed(count, stream):
    """`count` numbers in [-0.5, 0.5), exact in float32: multiples of 2^-16 from an integer hash."""
    values = []
    for i in range(count):
        x = (i * 2654435761 + stream * 40503 + 12345) & 0xFFFFFFFF
        x ^= x >> 15
        x = (x * 2246822519) & 0xFFFFFFFF
        x ^= x >> 13
        values.append((x & 0xFFFF) / 65536 - 0.5)
    return values


def make_params(dtype):
    params = {}
    for stream, (name, shape) in enumerate(SHAPES.items()):
        base = 1.0 if "norm" in name else 0.0
        count = torch.Size(shape).numel()
        values = torch.tensor(hashed(count, stream), dtype=torch.float64).reshape(shape) + base
        params[name] = values.to(dtype).requires_grad_(True)
    return params


def tokens(step):
    values = [(i * 7 + step * 5 + (i * i) % 11) % V for i in range(B * (T + 1))]
    return torch.tensor(values).reshape(B, T + 1)


def rotary(x):
    """Rotary positions on (batch, heads, T, H): halves of a head are rotated against each other."""
    angles = [[t / 10000 ** (2 * (i % (H // 2)) / H) for i in range(H)] for t in range(T)]
    cos = torch.tensor([[math.cos(a) for a in row] for row in angles], dtype=torch.float64).to(x.dtype)
    sin = torch.tensor([[math.sin(a) for a in row] for row in angles], dtype=torch.float64).to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


def loss_of(p, ids):
    """Pre-norm decoder layer: grouped causal attention, SwiGLU, cross entropy of the next token."""
    x = F.embedding(ids[:, :-1], p["embed.weight"])
    h = F.rms_norm(x, (D,), p["input_norm.weight"], EPS)

    def heads(name, count):
        return F.linear(h, p[f"{name}.weight"], p[f"{name}.bias"]).view(B, T, count, H).transpose(1, 2)

    q, k, v = heads("q_proj", N), heads("k_proj", KV), heads("v_proj", KV)
    a = F.scaled_dot_product_attention(rotary(q), rotary(k), v, is_causal=True, enable_gqa=True)
    x = x + F.linear(a.transpose(1, 2).reshape(B, T, N * H), p["o_proj.weight"])
    h = F.rms_norm(x, (D,), p["post_norm.weight"], EPS)
    h = F.silu(F.linear(h, p["gate_proj.weight"])) * F.linear(h, p["up_proj.weight"])
    x = x + F.linear(h, p["down_proj.weight"])
    logits = F.linear(F.rms_norm(x, (D,), p["norm.weight"], EPS), p["lm_head.weight"])
    return F.cross_entropy(logits.reshape(B * T, V), ids[:, 1:].reshape(B * T))


def network():
    out = {}
    for name, dtype in (("float32", torch.float32), ("float64", torch.float64)):
        p = make_params(dtype)
        loss = loss_of(p, tokens(0))
        loss.backward()
        out[name] = {
            "loss": loss.item(),
            "grad_norm": torch.nn.utils.clip_grad_norm_(p.values(), 1e9).item(),
            "gradients": {k: t.grad.flatten().tolist() for k, t in p.items()},
        }
    return out


def adamw():
    out = {"options": ADAMW, "max_norm": MAX_NORM, "steps": STEPS, "runs": []}
    for name, dtype in (("float32", torch.float32), ("float64", torch.float64)):
        for fused in (False, True):
            p = make_params(dtype)
            # As Hugging Face's Trainer groups them: vectors (biases, norms) do not decay.
            groups = [
                {"params": [t for t in p.values() if t.ndim >= 2], "weight_decay": ADAMW["weight_decay"]},
                {"params": [t for t in p.values() if t.ndim < 2], "weight_decay": 0.0},
            ]
            optimizer = torch.optim.AdamW(
                groups, lr=ADAMW["lr"], betas=tuple(ADAMW["betas"]), eps=ADAMW["eps"], fused=fused
            )
            losses, norms = [], []
            for step in range(STEPS):
                optimizer.zero_grad()
                loss = loss_of(p, tokens(step))
                loss.backward()
                norms.append(torch.nn.utils.clip_grad_norm_(p.values(), MAX_NORM).item())
                for group in optimizer.param_groups:
                    group["lr"] = ADAMW["lr"] * (1 - step / (2 * STEPS))
                optimizer.step()
                losses.append(loss.item())
            out["runs"].append(
                {
                    "dtype": name,
                    "fused": fused,
                    "losses": losses,
                    "grad_norms": norms,
                    "params": {k: t.detach().flatten().tolist() for k, t in p.items()},
                }
            )
    return out


if __name__ == "__main__":
    torch.set_num_threads(1)
    for name, data in (("network", network()), ("adamw", adamw())):
        data["torch"] = torch.__version__
        (HERE / f"{name}.json").write_text(json.dumps(data, separators=(",", ":")) + "\n")
        print(name, (HERE / f"{name}.json").stat().st_size)
