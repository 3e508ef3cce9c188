"""Golden values for src/rl: token weights, losses and their gradients, dense and in float64.

Run with any Python that has PyTorch:  python make_goldens.py
Writes token-weights.json and losses.json beside this file. Everything here is the plain, memory-hungry way: one
(G, T, V) tensor of log-probabilities and PyTorch's own autograd, from the formulas alone and not from our TypeScript.

Shapes: G completions of one prompt, T positions, V vocabulary, D hidden size.
"""

import json
import math
from pathlib import Path

import torch

HERE = Path(__file__).parent
torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)


# ---------------------------------------------------------------- inputs


def scenario(seed, lengths, max_length=None, dim=4, vocab=9, sharpness=1.5, ramp=0.0):
    """Random hidden states, head and tokens; `lengths[g]` tokens of row g are real, the rest is padding."""
    gen = torch.Generator().manual_seed(seed)
    group, width = len(lengths), max_length or max(lengths)
    hidden = torch.randn(group, width, dim, generator=gen)
    hidden = exact(hidden * (1 + ramp * torch.arange(width)[:, None]))
    head = exact(torch.randn(vocab, dim, generator=gen) * sharpness)
    ids = torch.randint(vocab, (group, width), generator=gen)
    mask = torch.arange(width)[None, :] < torch.tensor(lengths)[:, None]
    rewards = torch.randint(5, (group,), generator=gen).double() / 4
    if group > 1:
        advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-4)
    else:
        advantages = torch.tensor([0.7])
    # Log-probabilities of older and frozen policies: near the present ones, some far enough to be clipped.
    now = token_logps(log_probs(hidden, head), ids)
    old = now + 0.3 * torch.randn(group, width, generator=gen)
    ref = now + 0.5 * torch.randn(group, width, generator=gen)
    return dict(
        hidden=hidden, head=head, ids=ids, mask=mask, advantages=exact(advantages), old=exact(old), ref=exact(ref)
    )


def exact(values):
    """Round to float32, so that a float32 program starts from the same numbers."""
    return values.float().double()


# ---------------------------------------------------------------- formulas


def log_probs(hidden, head, temperature=1.0):
    logits = hidden @ head.T / temperature
    return logits - logits.logsumexp(-1, keepdim=True)


def token_logps(logps, ids):
    return logps.gather(-1, ids[..., None])[..., 0]


def entropies(logps):
    return -(logps.exp() * logps).sum(-1)


def divergence(logps, ids, mask, mode):
    """One number per position. Finished rows count as uniform in `authors`, and not at all in the other modes."""
    group, _, vocab = logps.shape
    alive = mask.double()
    count = alive.sum(0)
    if mode == "authors":
        uniform = torch.full_like(logps, -math.log(vocab))
        rows = torch.where(mask[..., None], logps, uniform)
        gap = (rows.mean(0, keepdim=True) - rows).clamp(-11, 11)
        return (gap.exp() - gap - 1).sum(-1).mean(0)
    if mode == "js":
        probs = logps.exp() * alive[..., None]
        mean = probs.sum(0) / count[:, None]
        kl = (logps.exp() * (logps - mean.log())).sum(-1)
        # A lone row agrees with itself exactly, not to within rounding.
        return torch.where(count > 1, (kl * alive).sum(0) / count, torch.zeros_like(count))
    if mode == "entropy":
        return (entropies(logps) * alive).sum(0) / count
    if mode == "std":
        taken = token_logps(logps, ids)
        mean = (taken * alive).sum(0) / count
        variance = (((taken - mean) ** 2) * alive).sum(0) / count
        safe = torch.where(count > 1, variance, torch.ones_like(variance))
        return torch.where(count > 1, safe.sqrt(), torch.zeros_like(variance))
    raise ValueError(mode)


def weights_of(div, mask, mode, top, quantile=0.0):
    epsilon = 1e-8 if mode == "authors" else 1e-5
    if quantile > 0:
        low, high = torch.quantile(div, quantile), torch.quantile(div, 1 - quantile)
    else:
        low, high = div.min(dim=0)[0], div.max(dim=0)[0]
    share = ((div - low) / (high - low + epsilon)).clamp(0, 1)
    return (1 + (top - 1) * share)[None, :] * mask


def policy_loss(s, config):
    hidden = s["hidden"].clone().requires_grad_(True)
    head = s["head"].clone().requires_grad_(True)
    mask, ids, advantages = s["mask"], s["ids"], s["advantages"][:, None]
    logps = log_probs(hidden, head, config.get("temperature", 1.0))
    taken = token_logps(logps, ids)
    old = s["old"] if config.get("use_old") else taken.detach()

    mode, div, weights = config.get("token_weight", "none"), None, mask.double()
    if mode != "none":
        div = divergence(logps, ids, mask, mode)
        used = div.detach() if config["detach"] else div
        weights = weights_of(used, mask, mode, config["max"], config.get("quantile", 0.0))

    loss_mask = mask.double()
    for row in config.get("truncated", []):
        loss_mask[row] = 0
    log_ratio = taken - old
    if config.get("importance_sampling_level") == "sequence":
        lengths = loss_mask.sum(1, keepdim=True).clamp(min=1)
        log_ratio = ((log_ratio * loss_mask).sum(1, keepdim=True) / lengths).expand_as(log_ratio)
    ratio = log_ratio.exp()
    low, high = config.get("epsilon", 0.2), config.get("epsilon_high", 0.28)
    clipped = ratio.clamp(1 - low, 1 + high)
    first = ratio.clamp(max=config["delta"]) if "delta" in config else ratio
    per_token = -torch.min(first * advantages, clipped * advantages)
    beta = config.get("beta", 0.0)
    if beta:
        gap = s["ref"] - taken
        kl = {"k1": -gap, "k2": gap**2 / 2, "k3": gap.exp() - gap - 1}[config["kl_estimator"]]
        per_token = per_token + beta * kl
    per_token = per_token * weights
    if config.get("entropy_coef"):
        per_token = per_token - config["entropy_coef"] * entropies(logps)

    group = mask.shape[0]
    norm = config.get("loss_norm", "token")
    summed = (per_token * loss_mask).sum(1)
    if norm == "sequence":
        loss = (summed / loss_mask.sum(1).clamp(min=1)).sum() / config.get("num_sequences", group)
    elif norm == "token":
        loss = summed.sum() / loss_mask.sum().clamp(min=1)
    elif norm == "token_global":
        loss = summed.sum() / config["num_tokens"]
    elif norm == "constant":
        loss = summed.sum() / (config.get("num_sequences", group) * config["max_completion_length"])
    else:
        raise ValueError(norm)
    loss.backward()
    out = dict(loss=loss, weights=weights, grad_hidden=hidden.grad, grad_head=head.grad)
    if div is not None:
        out["divergence"] = div
    return out


# ---------------------------------------------------------------- cases

SCENARIOS = {
    # name: seed, real lengths, width, sharpness of the logits
    "ragged_G8": scenario(1, [6, 3, 1, 4, 6, 2, 5, 3]),
    "eos_first_G8": scenario(2, [1] * 7 + [3]),
    "all_truncated_G8": scenario(3, [5] * 8, sharpness=0.3, ramp=1.0),
    "sharp_G4": scenario(4, [4, 2, 4, 3], sharpness=25.0),  # differences beyond the clamp at 11
    "pair_G2": scenario(5, [5, 2]),
    "single_G1": scenario(6, [4]),
    "one_token_G2": scenario(7, [1, 1]),
}

WEIGHT_CONFIGS = [
    dict(token_weight=mode, detach=detach, max=1.7)
    for mode in ("authors", "js", "entropy", "std")
    for detach in (True, False)
]

LOSS_CONFIGS = {
    "grpo": dict(loss_norm="sequence"),
    "clip": dict(use_old=True),
    "clip_symmetric": dict(use_old=True, epsilon_high=0.2, loss_norm="sequence"),
    "dual_clip": dict(use_old=True, delta=1.5),
    "k1": dict(beta=0.04, kl_estimator="k1"),
    "k2": dict(beta=0.04, kl_estimator="k2"),
    "k3_weighted": dict(beta=0.04, kl_estimator="k3", use_old=True, token_weight="js", detach=True, max=2.0),
    "entropy_bonus": dict(entropy_coef=0.01),
    "entropy_bonus_weighted": dict(entropy_coef=0.01, token_weight="entropy", detach=False, max=1.7, use_old=True),
    "gspo": dict(use_old=True, importance_sampling_level="sequence", loss_norm="sequence", epsilon=0.05, epsilon_high=0.06),
    "token_global": dict(use_old=True, loss_norm="token_global", num_tokens=123),
    "dr_grpo": dict(use_old=True, loss_norm="constant", max_completion_length=32),
    "part_of_batch": dict(use_old=True, loss_norm="sequence", num_sequences=24),
    "truncated": dict(use_old=True, truncated=[0, 4], loss_norm="sequence", token_weight="js", detach=True, max=1.7),
    "all_rows_truncated": dict(use_old=True, truncated=list(range(8))),
    "temperature": dict(use_old=True, temperature=0.7, token_weight="authors", detach=False, max=1.7),
    "robust": dict(token_weight="js", detach=True, max=1.7, quantile=0.2),
    "robust_live": dict(token_weight="js", detach=False, max=1.7, quantile=0.2),
}


def plain(value):
    if isinstance(value, torch.Tensor):
        return value.to(torch.int64).tolist() if value.dtype == torch.bool else value.tolist()
    return value


def dump(name, data):
    (HERE / name).write_text(json.dumps(data, separators=(",", ":")) + "\n")


def inputs_of(s):
    return {key: plain(value) for key, value in s.items()}


def expected_of(s, config):
    return dict(config=config, **{key: plain(value) for key, value in policy_loss(s, config).items()})


dump(
    "token-weights.json",
    {
        name: dict(inputs=inputs_of(s), cases=[expected_of(s, config) for config in WEIGHT_CONFIGS])
        for name, s in SCENARIOS.items()
    },
)
ragged = SCENARIOS["ragged_G8"]
dump(
    "losses.json",
    dict(inputs=inputs_of(ragged), cases={name: expected_of(ragged, config) for name, config in LOSS_CONFIGS.items()}),
)
