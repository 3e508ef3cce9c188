"""The other side of bench/engine.ts: the same work in Python's torch, one JSON request a line on stdin."""

import json
import sys
import time

import torch

a = torch.ones(4)
b = torch.ones(4)
m = torch.ones(4, 4)
parts = [torch.ones(4) for _ in range(8)]
work = {
    "add": lambda: torch.add(a, b),
    "matmul": lambda: torch.matmul(m, m),
    "foreach_add": lambda: torch._foreach_add_(parts, 1),
    "cat": lambda: torch.cat(parts),
}
square = {}


def timed(call, count):
    start = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - start) / count


def answer(request):
    if request["do"] == "versions":
        return {"torch": torch.__version__, "python": sys.version.split()[0]}
    if request["do"] == "threads":
        torch.set_num_threads(request["count"])
        return {"threads": torch.get_num_threads()}
    if request["do"] == "gemm":
        n = request["size"]
        if n not in square:
            square[n] = torch.randn(n, n, generator=torch.Generator().manual_seed(n))
        x = square[n]
        x @ x  # wakes the threads
        start = time.process_time()
        wall = timed(lambda: x @ x, request["count"])
        return {"seconds": wall, "processor_seconds": (time.process_time() - start) / request["count"]}
    return {"seconds": timed(work[request["do"]], request["count"])}


with torch.no_grad():
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
