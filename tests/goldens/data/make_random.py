"""Writes random.json: xoshiro128** numbers from a plain Python version, to check ours.

Run: python tests/goldens/data/make_random.py
"""
import hashlib
import json
from pathlib import Path

MASK = 0xFFFFFFFF


def rotl(x, k):
    return ((x << k) | (x >> (32 - k))) & MASK


def numbers(state, count):
    a, b, c, d = state
    out = []
    for _ in range(count):
        out.append((rotl((b * 5) & MASK, 7) * 9) & MASK)
        t = (b << 9) & MASK
        c ^= a
        d ^= b
        b ^= c
        a ^= d
        c ^= t
        d = rotl(d, 11)
    return out, [a, b, c, d]


def stream_state(seed, name):
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return [int.from_bytes(digest[i : i + 4], "little") for i in (0, 4, 8, 12)]


cases = []
for state in [[1, 2, 3, 4], [MASK, 0, 0, 1], stream_state(42, "order/epoch-0"), stream_state(-7, "é")]:
    values, after = numbers(state, 200)
    cases.append({"state": state, "first": values[:8], "sum": sum(values), "after": after})
golden = {"cases": cases, "streams": [[42, "order/epoch-0", stream_state(42, "order/epoch-0")], [-7, "é", stream_state(-7, "é")]]}
Path(__file__).with_name("random.json").write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n")
