"""Ids of texts whose special tokens are plain words (transformers' `split_special_tokens`), by the Python tokenizer of ../checkpoints/qwen2-5-vl.

    pip install tokenizers==0.22.* && python make_words.py
"""
import json
from pathlib import Path

from tokenizers import Tokenizer

HERE = Path(__file__).parent
TEXTS = [
    "What does <|video_pad|> stand for?\nA. a frame\nB. nothing <|im_end|>", "<|im_end|>", "<|im_start|>system\nx<|im_end|>",
    " <|endoftext|> ", "a<|vision_start|><|image_pad|><|vision_end|>b", "<|im_end|><tool_call>x</tool_call>", "no token at all", "<|im_en",
    "<|im_end|><|im_end|>", "é<|im_end|>ñ 12<|video_pad|>34",
]  # fmt: skip
tokenizer = Tokenizer.from_file(str(HERE.parent / "checkpoints" / "qwen2-5-vl" / "tokenizer.json"))
tokenizer.encode_special_tokens = True
rows = [{"text": text, "ids": tokenizer.encode(text, add_special_tokens=False).ids} for text in TEXTS]
(HERE / "words.json").write_text(json.dumps(rows) + "\n")
