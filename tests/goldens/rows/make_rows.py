"""Rows as other trainers write them in Parquet, by pyarrow: verl's and EasyR1's columns, each compression, nested lists and structs.

    pip install pyarrow==26.0.1 && python make_rows.py
"""
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).parent
QUESTION = "<video>Which objects move?\nA. cube\nB. ball"
VERL = [
    {
        "data_source": "clips" if i % 2 else "world",
        "prompt": [{"role": "user", "content": QUESTION}],
        "videos": [{"video": f"{i}.mp4", "fps": 2.0, "max_frames": 16}],
        "images": None,
        "ability": "video",
        "reward_model": {"style": "rule", "ground_truth": "AB"[i % 2]},
        "extra_info": {"index": i, "split": "train"},
    }
    for i in range(5)
]
for codec in ("none", "snappy", "gzip", "zstd", "brotli", "lz4"):
    pq.write_table(pa.Table.from_pylist(VERL), HERE / f"verl.{codec}.parquet", compression=codec, row_group_size=2)
EASYR1 = [
    {"problem": "<image><image>Which is larger?\nA. first\nB. second", "answer": "B", "images": ["a.png", "b.png"], "videos": [], "problem_type": None},
    {"problem": "How many?", "answer": "3", "images": [], "videos": ["a.mp4"], "problem_type": "numerical"},
    {"problem": "2 + 2 = ?", "answer": "4", "images": [], "videos": [], "problem_type": "numerical"},
]
pq.write_table(pa.Table.from_pylist(EASYR1), HERE / "easyr1.parquet", data_page_version="2.0")
BYTES = [{"problem": "<image>What?\nA. x\nB. y", "answer": "A", "images": [{"bytes": b"\x89PNG", "path": None}]}]
pq.write_table(pa.Table.from_pylist(BYTES), HERE / "bytes.parquet")
