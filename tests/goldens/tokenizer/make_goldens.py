"""Ids and renderings by the Python tokenizer of ../checkpoints/qwen2-5-vl: 1,000 strings and a set of conversations.

Writes strings.json  [{"text", "ids"}]  and  chats.json  {"template": [{"messages", "options", "text"}]}.
Run:  python make_goldens.py
"""

import json
import random
from pathlib import Path

from transformers import AutoTokenizer

HERE = Path(__file__).parent
FOLDER = HERE.parent / "checkpoints" / "qwen2-5-vl"

RANGES = {
    "ascii": [(0x20, 0x7E)],
    "latin": [(0xA0, 0x24F)],
    "combining": [(0x41, 0x7A), (0x300, 0x36F)],
    "greek_cyrillic": [(0x370, 0x3FF), (0x400, 0x4FF), (0x20, 0x20)],
    "hebrew_arabic": [(0x5D0, 0x5EA), (0x620, 0x64A), (0x660, 0x669), (0x20, 0x20)],
    "indic_thai": [(0x905, 0x939), (0x93E, 0x94D), (0xE01, 0xE3A), (0xE40, 0xE5B), (0x966, 0x96F)],
    "cjk": [(0x4E00, 0x9FA5), (0x3041, 0x3096), (0x30A1, 0x30FA), (0x3001, 0x3011), (0xFF01, 0xFF5E)],
    "hangul": [(0xAC00, 0xD7A3), (0x1100, 0x1112), (0x1161, 0x1175), (0x11A8, 0x11C2)],
    "emoji": [(0x1F300, 0x1F64F), (0x1F680, 0x1F6C5), (0x200D, 0x200D), (0xFE0F, 0xFE0F), (0x1F3FB, 0x1F3FF)],
    "symbols": [(0x2000, 0x206F), (0x2190, 0x21FF), (0x2200, 0x22FF), (0x2460, 0x24FF)],
    "numbers": [(0x30, 0x39), (0xB2, 0xB3), (0x2150, 0x218B), (0x2460, 0x2473), (0x3021, 0x3029)],
    "math_letters": [(0x1D400, 0x1D454), (0x1D7CE, 0x1D7FF), (0x10400, 0x1044F)],
    "control": [(0x00, 0x1F), (0x7F, 0x9F), (0x20, 0x40), (0xFEFF, 0xFEFF), (0xFFFD, 0xFFFD)],
    "spaces": [(0x20, 0x20), (0x09, 0x0D), (0xA0, 0xA0), (0x2003, 0x2003), (0x3000, 0x3000), (0x85, 0x85), (0x61, 0x63)],
}  # fmt: skip

FIXED = [
    "", " ", "  ", "\n", "\n\n", " \n", "\r\n", "\t", "a", " a", "a ", "  a  ", "\n a\n", "a\n\nb", "a \n b", "a\r\n\r\nb",
    "Hello, world!", "HELLO world", "I'm you're he'S WE'VE they'LL i'D don'T it's 'tis", "' s 't", "''s", "it’s",
    "3.14159 1,000,000 2nd 4x4", "x=1;y=2", "foo_bar __init__ CamelCase", "https://example.org/a?b=c&d=%20#e",
    "e\u0301 \u00e9 n\u0303 \u212b \u1e9b\u0323 \uac00 \u1100\u1161 \ufb01 \u00bd", "🙂 👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇩🇪", "视频里的红色方块", "日本語テキスト",
    "Größe naïve façade", "مرحبا بالعالم", "नमस्ते दुनिया", "สวัสดีชาวโลก", "\u0000\u0001\u007f", "\ufeffBOM", "a\u200bb\u2028c\u2029d",
    "<|im_start|>", "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n", "<|im_start", "|im_end|>", "<|im_end|><|im_end|>",
    " <|im_end|> ", "<|vision_start|><|video_pad|><|video_pad|><|vision_end|>What?", "<|image_pad|>x<|image_pad|>",
    "<tool_call>\n{\"name\": \"f\"}\n</tool_call>", "<|endoftext|>text", "<|IM_START|>", "<| im_start |>", "a<|quad_end|>b",
    "<think>The cube moves.</think><answer>A,C</answer>", "<answer> B </answer>", "{'a': [1, 2, {\"b\": null}]}",
    "def f(x):\n    if x > 0:\n        return x ** 2\n\treturn -x  # tab\n", "SELECT * FROM t WHERE a='b' -- c\n",
    "for (let i = 0; i < n; i++) { sum += a[i]; }", "\\frac{1}{2}\\sum_{i=1}^{n} x_i", "<html><body class=\"a\">&nbsp;</body></html>",
    "!!! ??? ... --- ***", "a.b,c;d:e", "½ ² ³ Ⅷ ④ 〇", "𝐇𝐞𝐥𝐥𝐨 𝟏𝟐𝟑", "Ａｆｕｌｌｗｉｄｔｈ１２３", "  leading", "trailing  ", "mid  dle   spaces    x",
    "\n\n\nthree", "x\n", "x \n\n  y", " \t \n \t ", "\u3000全角\u3000", "a\u00a0b\u00a0\u00a0c", "1 2  3   4", "١٢٣ १२३",
]  # fmt: skip

FRAGMENTS = [s for s in FIXED if s] + [
    "The red cube", " collides with", " the blue sphere", ".", "?", " A.", " answer", "\n", " ", "  ", "'s", "'RE", "0", "42",
]  # fmt: skip


def char(rng: random.Random, ranges) -> str:
    low, high = rng.choice(ranges)
    return chr(rng.randint(low, high))


def strings() -> list[str]:
    rng = random.Random(20)
    result = list(FIXED)
    names = list(RANGES)
    while len(result) < 1000:
        kind = rng.randrange(4)
        if kind == 0:  # one script
            ranges = RANGES[rng.choice(names)]
            text = "".join(char(rng, ranges) for _ in range(rng.randint(1, 24)))
        elif kind == 1:  # scripts mixed character by character
            text = "".join(char(rng, RANGES[rng.choice(names)]) for _ in range(rng.randint(1, 16)))
        elif kind == 2:  # fragments joined
            text = "".join(rng.choice(FRAGMENTS) for _ in range(rng.randint(1, 4)))
        else:  # fragments broken by random characters
            text = "".join(
                rng.choice(FRAGMENTS)[: rng.randint(1, 12)] + char(rng, RANGES[rng.choice(names)])
                for _ in range(rng.randint(1, 4))
            )
        result.append(text)
    return result


CHATS = [
    ([{"role": "user", "content": "Hi"}], {"add_generation_prompt": True}),
    ([{"role": "user", "content": "Hi"}], {"add_generation_prompt": False}),
    ([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}], {"add_generation_prompt": True}),
    (
        [{"role": "user", "content": [{"type": "video"}, {"type": "text", "text": "What moves?\n"}]}],
        {"add_generation_prompt": True},
    ),
    (
        [
            {"role": "user", "content": [{"type": "video"}, {"type": "image"}, {"type": "video"}, {"type": "text", "text": "Compare."}]},
            {"role": "assistant", "content": "Both."},
            {"role": "user", "content": [{"type": "text", "text": "Why? "}, {"type": "image"}]},
        ],
        {"add_generation_prompt": True},
    ),
    (
        [{"role": "user", "content": [{"type": "video"}, {"type": "image"}, {"type": "text", "text": "x"}]}],
        {"add_generation_prompt": True, "add_vision_id": True},
    ),
    (
        [{"role": "system", "content": [{"type": "text", "text": "S"}]}, {"role": "user", "content": [{"type": "text", "text": " a\n"}]}],
        {"add_generation_prompt": False},
    ),
]  # fmt: skip

# Another template that uses what transformers' Jinja environment adds.
FEATURES = """{#- a comment -#}
{%- set ns = namespace(n=0) %}
{% for message in messages %}
    {% if message.role == 'system' %}
        {% continue %}
    {% endif %}
    {% set ns.n = ns.n + 1 %}
{{ loop.index }}/{{ ns.n }} [{{ message['role'] | upper }}] {{ message.content | trim }}
    {%- if not loop.last %}, {% endif %}
{% endfor %}
{{ {"a": [1, 2.5, none, true], "é": "<x> & 'y'"} | tojson }}
{{ messages | length }} {{ messages[0].content[:3] }} {{ (eos_token or '') + '!' }}
{% macro f(x, y=2) %}{{ x ~ y }}{% endmacro %}
{{- f(1) }} {{ f(1, y=3) }} {{ 'yes' if 'b' in 'abc' and messages is defined and missing is not defined else 'no' }}
"""
FEATURE_CHATS = [
    ([{"role": "system", "content": "sys"}, {"role": "user", "content": "  hi  "}, {"role": "assistant", "content": "yo"}], {"add_generation_prompt": True}),
    ([{"role": "user", "content": "only"}], {"add_generation_prompt": False}),
]  # fmt: skip


def main() -> None:
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    rows = [{"text": text, "ids": tokenizer.encode(text, add_special_tokens=False)} for text in strings()]
    lines = ",\n".join(json.dumps(row, ensure_ascii=True, separators=(",", ":")) for row in rows)
    (HERE / "strings.json").write_text(f"[\n{lines}\n]\n")
    chats = {"published": [], "features": []}
    for messages, options in CHATS:
        text = tokenizer.apply_chat_template(messages, tokenize=False, **options)
        chats["published"].append({"messages": messages, "options": options, "text": text})
    for messages, options in FEATURE_CHATS:
        text = tokenizer.apply_chat_template(messages, tokenize=False, chat_template=FEATURES, **options)
        chats["features"].append({"messages": messages, "options": options, "text": text})
    (HERE / "chats.json").write_text(json.dumps({"features_template": FEATURES, **chats}, indent=1) + "\n")


if __name__ == "__main__":
    main()
