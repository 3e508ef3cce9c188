"""Golden values for src/stats/statistics.ts, from SciPy. Run: python make_statistics.py > statistics.json"""

import json

import numpy
import scipy
from scipy import stats

wilson = []
for successes, n in [(0, 1), (1, 1), (0, 10), (10, 10), (1, 3), (409, 625), (401, 625), (2535, 4000), (50, 9238), (4652, 9238)]:
    for level in (0.9, 0.95, 0.99):
        interval = stats.binomtest(successes, n).proportion_ci(level, method="wilson")
        wilson.append({"successes": successes, "n": n, "level": level, "low": interval.low, "high": interval.high})

mcnemar = []
for b, c in [(0, 0), (1, 0), (0, 5), (3, 3), (4, 3), (10, 25), (25, 10), (60, 52), (150, 90), (700, 620), (3000, 2800), (20, 4000)]:
    total = b + c
    few = min(b, c)
    exact = 1.0 if total == 0 else stats.binomtest(few, total).pvalue
    mid = 1.0 if total == 0 else min(1.0, 2 * stats.binom.cdf(few, total, 0.5) - stats.binom.pmf(few, total, 0.5))
    mcnemar.append({"b": b, "c": c, "p_exact": float(exact), "p_mid": float(mid)})

# Our bootstrap draws from its own generator, so its ends can only be near these; the test states how near.
bootstrap = []
generator = numpy.random.default_rng(7)
for name, values in {
    "soft": generator.choice([0.0, 0.25, 0.5, 1.0], 400, p=[0.3, 0.1, 0.2, 0.4]),
    "few": generator.choice([0.0, 0.5, 1.0], 25),
}.items():
    found = stats.bootstrap((values,), numpy.mean, n_resamples=20000, method="percentile", rng=generator)
    bootstrap.append({
        "name": name,
        "values": values.tolist(),
        "low": found.confidence_interval.low,
        "high": found.confidence_interval.high,
        "standard_error": float(found.standard_error),
    })

# Few runs of different seeds: Student's interval of the mean and the paired permutation test.
runs = []
for size in (1, 2, 3, 5, 12, 16, 20, 40):
    values = (generator.normal(0.4, 1, size)).round(3)
    interval = (values[0], values[0]) if size == 1 else stats.t.interval(0.95, size - 1, values.mean(), stats.sem(values))
    p = 1.0 if size == 1 else stats.permutation_test(
        (values,), lambda x, axis: x.sum(axis), permutation_type="samples", vectorized=True, batch=10_000, n_resamples=2**20, rng=generator
    ).pvalue
    runs.append({"values": values.tolist(), "low": float(interval[0]), "high": float(interval[1]), "p": float(p)})

print(json.dumps({"scipy": scipy.__version__, "wilson": wilson, "mcnemar": mcnemar, "bootstrap": bootstrap, "runs": runs}))
