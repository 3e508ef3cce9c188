"""Golden values for src/data/qai/python-random.ts, from CPython itself. Run: python make_python_random.py > python-random.json"""

import json
import random
import sys

cases = []
for seed in [0, 1, 7, 42, -42, 123, 2026, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**32 + 5, 2**53 - 1, 2**64 + 3, 3**100, -(10**40)]:
    draw = random.Random(seed)
    case = {"seed": str(seed)}
    case["random"] = [draw.random() for _ in range(5)]
    case["getrandbits"] = [draw.getrandbits(k) for k in (1, 2, 7, 31, 32)]
    case["randrange"] = [draw.randrange(n) for n in (1, 2, 3, 5, 1000, 2**31, 2**32 - 1)]
    case["randint"] = [draw.randint(1, 4) for _ in range(12)]
    case["choice"] = [draw.choice("abcdefg") for _ in range(8)]
    # 21 places is where the two ways of sampling part; 6 of 84 and 6 of 85 is the next such border.
    case["sample"] = [
        {"n": n, "k": k, "drawn": draw.sample(range(n), k)}
        for n, k in [(4, 1), (4, 2), (4, 4), (5, 0), (21, 5), (22, 5), (85, 6), (86, 6), (1000, 30)]
    ]
    shuffled = list(range(11))
    draw.shuffle(shuffled)
    case["shuffle"] = shuffled
    # Far enough to cross several rounds of the generator's 624 words.
    for _ in range(3000):
        draw.random()
    case["later"] = draw.random()
    cases.append(case)

print(json.dumps({"python": sys.version.split()[0], "cases": cases}))
