"""Writes evaluators.json: what the authors' evaluators ask, read and score, to hold the `-authors` protocols against.

Run: python tests/goldens/eval/make_evaluators.py FOLDER, where FOLDER is a checkout of longmalongma/TW-GRPO (aa529ff).
Their functions are taken out of their files by name and run here; which evaluator a model and a benchmark get is read
from their shell scripts. Nothing of theirs is stored but what they return, and the wording of the prompts as digests.
"""
import ast
import hashlib
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(sys.argv[1])
SCRIPTS = {
    "tw-grpo-authors": "evaluate.sh",
    "zero-shot-authors": "evaluate_qwen2_5vl.sh",
    "video-r1-authors": "evaluate_video_r1.sh",
}
BENCHMARKS = {
    "eval_nextgqa": "nextgqa",
    "eval_mmvu": "mmvu",
    "eval_mvbench": "mvbench",
    "eval_tempcompass": "tempcompass",
    "eval_videomme": "videomme",
}
# The published log of the zero-shot row holds no thinking (avg_think_confidence 0.0), so it is not eval_clevrer.py's.
ZERO_SHOT_CLEVRER = "eval_clevrer_zeroshot"
METHODS = ("extract_answer", "extract_think_content", "calculate_accuracy_score", "check_format")


def evaluator(name):
    """Reading and scoring of one text, and the text put to the model, by the file's own code."""
    tree = ast.parse((ROOT / "src/eval" / f"{name}.py").read_text())
    cls = next(node for node in tree.body if isinstance(node, ast.ClassDef))
    methods = {node.name: node for node in cls.body if isinstance(node, ast.FunctionDef)}
    space = {"re": re, "logging": SimpleNamespace(debug=lambda *_: None)}
    for method in METHODS:
        exec(compile(ast.Module([methods[method]], []), name, "exec"), space)
    this = SimpleNamespace()
    # The two statements that clean the text and choose what is scored stand in the middle of a long method.
    body = ast.walk(methods["process_batch_results"])
    cleaning = [node for node in body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in ("output_text", "model_answer")]
    this.extract_answer = lambda text: space["extract_answer"](this, text)

    def read(text, solution):
        local = {"re": re, "output_text": text, "self": this}
        for node in sorted(cleaning, key=lambda node: node.lineno):
            exec(compile(ast.Module([node], []), name, "exec"), local)
        score = space["calculate_accuracy_score"](this, local["model_answer"], solution)
        thinking = space["extract_think_content"](this, local["output_text"])
        return local["model_answer"], score, space["check_format"](this, local["output_text"]), thinking

    values = {}
    for node in ast.walk(cls):
        if isinstance(node, ast.Assign):
            target = ast.unparse(node.targets[0])
            if target in ("self.question_template", "SYSTEM_PROMPT", "TYPE_TEMPLATE"):
                values[target] = ast.literal_eval(node.value)

    def ask(item):
        question = item["problem"]
        if "TYPE_TEMPLATE" in values:
            question += "Options:\n" + "".join(option + "\n" for option in item["options"])
        text = values["self.question_template"].format(Question=question)
        return values.get("SYSTEM_PROMPT"), text + values.get("TYPE_TEMPLATE", {}).get("multiple choice", "")

    return read, ask


EVALUATORS = {name: evaluator(name) for name in ("eval_clevrer", "eval_clevrer_zeroshot", "eval_general_videor1", "eval_general_zeroshot")}


def chosen():
    """Protocol -> benchmark -> evaluator, as the shell scripts call them."""
    table = {}
    for protocol, script in SCRIPTS.items():
        calls = re.findall(r"src/eval/(\w+)\.py((?:\s*\\\n\s*--\w+ \S+)+)", (ROOT / "scripts" / script).read_text())
        row = table[protocol] = {}
        for file, flags in calls:
            dataset = re.search(r"--dataset_name (\S+)", flags)
            row[BENCHMARKS[dataset[1]] if dataset else "clevrer-counterfactual"] = file
    table["zero-shot-authors"]["clevrer-counterfactual"] = ZERO_SHOT_CLEVRER
    return table


def answers():
    """Texts in every form an answer comes in, for every set of letters, in order, small, bracketed, spaced …"""
    sets = [["A"], ["C"], ["A", "C"], ["C", "A"], ["A", "B", "C"], ["B", "D"]]
    joins = [",", ", ", " ,", "", " and ", "、", "; "]
    seen = []
    for letters in sets:
        for join in joins:
            seen.append(join.join(letters))
    seen += ["", " ", "a", "a,c", "(A)", "A.", "A. The cube", "A,", ",A", "A,A,C", "A\nC", "\u00a0A", "E", "None", "A or C", "**A**", "A,B,C,D"]
    frames = [
        "{}",
        "<answer>{}</answer>",
        "<think>It moves.</think><answer>{}</answer>",
        "<think>It moves.</think>\n<answer> {} </answer>",
        "<think>A? <answer>B</answer></think><answer>{}</answer>",
        "The answer is {}",
        "So the answer: {}",
        "<answer>{}",
        "<think>Long {}",
        "<answer>{}</answer> thanks",
    ]
    # What their evaluators take for the prompt and cut out.
    cut = [
        "<think>The system.</think>\n<answer>A</answer> the assistant\n<answer>C</answer>",
        "<think>A system of balls, an assistant\n</think><answer>A</answer>",
        "system\nYou are a helpful assistant.\nuser\nWhich?\nassistant\n<think>x</think><answer>A</answer>",
        "system A assistant\nC system B assistant\n",
        "system: <answer>A</answer>",
    ]
    return [frame.format(text) for frame in frames for text in dict.fromkeys(seen)] + cut


ITEMS = [
    {"problem": "Which event will happen?\nA. It moves.\nB. It rests.\nC. It falls.", "options": ["A. It moves.", "B. It rests.", "C. It falls."]},
    {"problem": "Why {did} the boy run ?", "options": ["A. to win", "B. to {lose}"]},
]
# str.format meets braces only in their template, never in a question, so both items are asked.
texts = answers()
solutions = ["<answer>A</answer>", "<answer>A,C</answer>", "<answer>A,B,C</answer>"]
golden = {"evaluator_of": chosen(), "items": ITEMS, "solutions": solutions, "texts": texts, "evaluators": {}}
for name, (read, ask) in EVALUATORS.items():
    prompts = [
        [None if part is None else hashlib.sha256(part.encode()).hexdigest()[:16] for part in ask(item)] for item in ITEMS
    ]
    rows = [[round(read(text, solution)[1], 12) for solution in solutions] + [read(text, solutions[0])[2]] for text in texts]
    golden["evaluators"][name] = {"prompts": prompts, "scores": rows}
    # What the log keeps of each text: the answer, the thinking.
    golden["evaluators"][name]["kept"] = [[read(text, solutions[0])[0], read(text, solutions[0])[3]] for text in texts]
Path(__file__).with_name("evaluators.json").write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")) + "\n")
print(len(texts), "texts", golden["evaluator_of"])
