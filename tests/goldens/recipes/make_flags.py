"""Writes flags.json: the flags of the authors' two training scripts, to hold docs/reproduce.md and the recipes against.

Run: python tests/goldens/recipes/make_flags.py FOLDER, where FOLDER is a checkout of longmalongma/TW-GRPO (aa529ff).
"""
import json
import re
import sys
from pathlib import Path

flags = {}
for name in ("tw-grpo.sh", "grpo.sh"):
    text = (Path(sys.argv[1]) / "scripts" / name).read_text()
    call = text[text.index("torchrun") :].replace("\\\n", " ").replace('"', "")
    flags[name] = {key: value.strip() for key, value in re.findall(r"--(\w+)[ =]*((?:(?!--|src/)\S+\s*)*)", call)}
Path(__file__).with_name("flags.json").write_text(json.dumps(flags, indent=1) + "\n")
