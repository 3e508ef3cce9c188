"""Writes orders.json: which items the authors' run draws and in which order it visits them, from the real libraries.

Run: python tests/goldens/data/make_orders.py, with datasets, numpy, torch and accelerate installed.
`Dataset.shuffle(seed).select(range(n))` draws (src/open_r1/grpo.py); transformers' Trainer gives a RandomSampler to
accelerate, which turns it into a SeedableRandomSampler that begins each epoch at seed + epoch.
"""
import hashlib
import json
from pathlib import Path

import accelerate
import datasets
import numpy
import torch
from accelerate.data_loader import SeedableRandomSampler


def digest(order):
    return hashlib.sha256(",".join(map(str, order)).encode()).hexdigest()[:16]


def row(order):
    return {"first": order[:20], "last": order[-5:], "sha256": digest(order)}


draws = []
for length, seed in [(1, 42), (2, 42), (7, 42), (3358, 42), (20_313, 42), (100_000, 42), (2001, 0), (50, 2**32 + 5), (50, 123456789)]:
    order = datasets.Dataset.from_dict({"index": range(length)}).shuffle(seed=seed)["index"]
    draws.append({"length": length, "seed": seed, **row(list(order))})

orders = []
for length, seed, epoch in [(1, 42, 0), (2, 42, 0), (9, 42, 0), (2000, 42, 0), (2000, 42, 1), (2000, 123, 0), (89, 2026, 3), (50_000, 42, 0), (10, 2**33, 0)]:
    sampler = SeedableRandomSampler(range(length), generator=torch.Generator(), data_seed=seed)
    sampler.set_epoch(epoch)
    order = list(sampler)
    generator = torch.Generator().manual_seed(seed + epoch)
    assert order == torch.randperm(length, generator=generator).tolist()
    orders.append({"length": length, "seed": seed, "epoch": epoch, **row(order)})

versions = {module.__name__: module.__version__ for module in (datasets, numpy, torch, accelerate)}
Path(__file__).with_name("orders.json").write_text(json.dumps({"versions": versions, "draws": draws, "orders": orders}, separators=(",", ":")) + "\n")
