"""Golden values for src/data/qai/authors.ts: question-answer inversion by the rules of the authors' scripts, with CPython's `random`.

The rules are written down here once more from their description, apart from the TypeScript, so that two readings meet:
  - each item is inverted when random.random() < 0.5;
  - then randint(1, wrong) right options are kept, by sample, and shuffled together with the one wrong option.

Run: python make_authors.py [nextgqa_val.json] > authors.json
With the NExT-GQA validation file as argument, digests of whole runs over it are added; the file itself is not stored.
"""

import hashlib
import json
import random
import sys

NEXTGQA = {"did": "didn't", "does": "doesn't", "do": "don't", "is": "isn't", "are": "aren't", "was": "wasn't", "were": "weren't"}
STAR = {"did": "didn't", "was": "wasn't", "able": "unable", "would": "wouldn't", "what will": "what won't", "what happened": "what didn't happen"}


def negate(question, name):
    question = question.lower()
    if name == "star":
        for phrase, negative in STAR.items():
            if question.startswith(phrase):
                return negative + question[len(phrase):]
    table = NEXTGQA if name == "nextgqa" else STAR
    words = question.split()
    if len(words) >= 2 and words[1] in table:
        words[1] = table[words[1]]
        return " ".join(words)
    return question


def bare(option):
    return option[4:] if option.startswith("(") else option


def problem(question, options):
    return "\n".join([question] + [f"{chr(65 + i)} {bare(option)}" for i, option in enumerate(options)])


def convert(item, name, draw):
    made = dict(item)
    made["video"] = "/NExTQA/videos/" + item["video"].split("/")[-1].replace(".mp4", "") + ".mp4"
    made["is_negated"] = draw.random() < 0.5
    question, options = item["question"], item["options"]
    if not made["is_negated"]:
        made["problem"] = problem(question, options)
        if name == "nextgqa":
            made["solution"] = f"<answer>{item['answer'][1]}</answer>"
        return made
    letter = item["answer"][1] if name == "nextgqa" else item["solution"].replace("<answer>", "").replace("</answer>", "")
    right = options[ord(letter) - 65]
    wrong = [option for i, option in enumerate(options) if i != ord(letter) - 65]
    shown = [right] + draw.sample(wrong, draw.randint(1, len(wrong)))
    draw.shuffle(shown)
    content = bare if name == "nextgqa" else (lambda option: option)
    letters = [chr(65 + i) for i, option in enumerate(shown) if content(option) != content(right)]
    if name == "nextgqa":
        shown = [f"({chr(65 + i)}) {bare(option)}" for i, option in enumerate(shown)]
        made["answer"] = ",".join(f"({one})" for one in letters)
    question = negate(question, name)
    made.update(question=question, options=shown, problem=problem(question, shown), solution=f"<answer>{','.join(letters)}</answer>")
    return made


def run(items, name, seed):
    draw = random.Random(seed)
    return [convert(item, name, draw) for item in items]


STEMS = [
    "why did the boy laugh", "what does  the dog do", "How is The Cat moving", "what happened to the ball", "who opened the door",
    "which object was taken", "Did the man sit", "what was moved", "would it fall", "what will the person do next?",
    "What happened after the person sat?", "Which object did the person hold?", "what is", "what", "where are the cups", "do they jump",
    "able is the man", "was it the cup that fell", "what would the person do", "which unable man was able",
]


def records(name):
    items = []
    for number, stem in enumerate(STEMS * 2):
        count = 2 + number % 4
        texts = [f"option {number}-{i}" for i in range(count)]
        letter = chr(65 + number % count)
        item = {"id": str(number), "video": f"{number}/clip{number}.mp4", "question": stem}
        if name == "nextgqa":
            item.update(options=[f"({chr(65 + i)}) {text}" for i, text in enumerate(texts)], answer=f"({letter})", type="CW")
        else:
            item.update(options=texts, problem="old", solution=f"<answer>{letter}</answer>", type="MC")
        items.append(item)
    return items


def digest(made):
    keys = ["id", "video", "question", "options", "answer", "problem", "solution", "is_negated"]
    lines = [json.dumps([item[key] for key in keys], ensure_ascii=False, separators=(",", ":")) for item in made]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


result = {"cases": [{"set": name, "seed": seed, "items": records(name), "made": run(records(name), name, seed)} for name in ("nextgqa", "star") for seed in (0, 42)]}
if len(sys.argv) > 1:
    with open(sys.argv[1], encoding="utf-8") as file:
        items = json.load(file)
    result["validation"] = []
    for seed in (0, 1, 42, 2026):
        made = run(items, "nextgqa", seed)
        negated = [(old, new) for old, new in zip(items, made) if new["is_negated"]]
        result["validation"].append({
            "seed": seed,
            "sha256": digest(made),
            "inverted": len(negated),
            "unchanged": sum(old["question"].lower() == new["question"] for old, new in negated),
        })
print(json.dumps(result, ensure_ascii=False))
