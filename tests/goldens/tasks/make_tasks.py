"""Golden scores of questions by kind: numbers, regression, OCR, free-form answers, temporal grounding.

The functions below are Video-R1's and VideoChat-R1's, by their definitions:
  tulerfeng/Video-R1 src/r1-v/src/open_r1/grpo.py accuracy_reward
  OpenGVLab/VideoChat-R1 src/open_r1/grpo_tg.py iou_timestamp_reward, src/open_r1/grpo_gqa.py iou_glue_reward
ROUGE and the stemmer are the libraries themselves (rouge_score, nltk).

    pip install rouge_score==0.1.2 && python make_tasks.py
"""
import ast, json, math, random, re
from pathlib import Path

from nltk.stem.porter import PorterStemmer
from rouge_score import rouge_scorer

SCORER = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)


def extract(text):
    match = re.search(r"<answer>\s*(.*?)\s*</answer>", text, re.DOTALL)
    return match.group(1).strip() if match else ""


def number(text):
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return None


def wer(reference, hypothesis):
    a, b = reference.split(), hypothesis.split()
    d = [[i + j if i * j == 0 else 0 for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            if a[i - 1] == b[j - 1]:
                d[i][j] = d[i - 1][j - 1]
            else:
                d[i][j] = 1 + min(d[i - 1][j], d[i][j - 1], d[i - 1][j - 1])
    return d[len(a)][len(b)] / max(1, len(a))


def clip(value):
    return max(0.0, min(1.0, value))


def score(task, completion, truth):
    out = extract(completion)
    if task == "numerical":
        if (("." in truth) or ("," in truth)) != (("." in out) or ("," in out)):
            return 0.0
        x, y = number(out), number(truth)
        return 0.0 if x is None or y is None else float(round(x, 2) == round(y, 2))
    if task == "regression":
        x, y = number(out), number(truth)
        if x is None or y is None:
            return 0.0
        return 1 - min(1.0, max(0.0, (abs(x - y) + 1e-9) / (abs(y) + 1e-9)))
    if task == "OCR":
        return clip(1 - wer(truth, out))
    if task == "free-form":
        scores = SCORER.score(truth, out)
        return clip(sum(scores[k].fmeasure for k in ("rouge1", "rouge2", "rougeL")) / 3)
    return grounding(completion, json.loads(truth))


def merge(windows):
    merged = []
    for start, end in sorted([list(w) for w in windows], key=lambda w: w[0]):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    return merged


def list_iou(a, b):
    a, b = merge(a), merge(b)
    la, lb = sum(e - s for s, e in a), sum(e - s for s, e in b)
    inter = sum(max(0, min(e, f) - max(s, t)) for s, e in a for t, f in b)
    return 1.0 if la + lb - inter == 0 else inter / (la + lb - inter)


def grounding(completion, windows):
    blocks = re.findall(r"<answer>(.*?)</answer>", completion, re.DOTALL)
    if not blocks:
        return 0.0
    text = blocks[-1].strip()
    if re.match(r"^\[(\(\d+(\.\d+)?,\s*\d+(\.\d+)?\)(,\s*\(\d+(\.\d+)?,\s*\d+(\.\d+)?\))*(,)?|)\]$", text):
        found = ast.literal_eval(text)
        return 0.0 if any(s > e for s, e in found) else list_iou(found, windows)
    found = re.findall(r"(\d+\.?\d*) (to|and) (\d+\.?\d*)", text, re.IGNORECASE)
    if not found:
        return 0.0
    start, end = float(found[-1][0]), float(found[-1][2])
    if start > end:
        return 0.0
    best = 0.0
    for s, e in windows:
        inter, union = max(0, min(end, e) - max(start, s)), max(end, e) - min(start, s)
        best = max(best, inter / union if union > 0 else 1.0)
    return best


random.seed(7)
cases = []


def add(task, answer, truth, tagged=True):
    completion = f"<think>so</think><answer>{answer}</answer>" if tagged else answer
    cases.append({"task": task, "completion": completion, "solution": truth, "score": score(task, completion, truth)})


NUMBERS = ["3", "3.0", " 3 ", "3.004", "3.005", "3.125", "3.13", "3.12", "-3", "+3", "1,234", "1234", "1,234.5", "1234.50",
           "50%", "50", "0.5", ".5", "5.", "1e3", "1000", "1_000", "three", "", "3 4", "3 balls", "٣", "３", "inf", "nan",
           "-inf", "0", "-0", "0.0", "0.004", "2.675", "2.68", "2.67", "1.005", "1.0", "1.01", "0x10", "1e-9", "$3", "3\n",
           "99999999999999999999.5", "123456789.125", "123456789.12", "−3", "1/2", "3,0"]
TRUTHS = ["3", "3.0", "3.13", "1234", "1,234.5", "0.5", "0", "-3", "2.68", "1.0", "123456789.12", "1000"]
for task in ("numerical", "regression"):
    for truth in TRUTHS:
        for answer in random.sample(NUMBERS, 18):
            # Python's min and max hand on what is no number; the score here is 0.
            if task == "regression" and "nan" in answer:
                continue
            add(task, answer, truth)
        add(task, truth, truth)
    add(task, "3", "3", tagged=False)
TEXTS = ["STOP HERE", "Stop here", "STOP", "STOP HERE NOW", "HERE STOP", "", "a b c d e", "a c e", "no  parking\there",
         "NO PARKING", "出口", "出口 EXIT", "Café — ouvert 9h–18h", "Cafe ouvert 9h-18h", "100 %", "100%", "3,50 €", "x" * 50,
         "The ball leaves on the left.", "A ball is leaving to the left side", "The balls left; the cube stays!",
         "The quickly running children played happily in the national gardens",
         "children's playing was nationalised and generalizations were made of relational operators",
         "dying skies, lying ties and tried flies: enjoyments controlled, hoping hopped",
         "un bâtiment très élevé", "İstanbul ve KAĞIT", "ﬁne ligature", "no\u00a0break space\u3000wide",
         "the the the the", "the", "The man opens the door, walks in, and then sits down on the chair to read a book."]
for task in ("OCR", "free-form"):
    for truth in TEXTS:
        if truth == "":
            continue
        for answer in random.sample(TEXTS, 5) + [truth, truth.lower(), truth + " and more"]:
            add(task, answer, truth)
    add(task, "STOP HERE", "STOP HERE", tagged=False)
    add(task, "x</answer><answer>STOP HERE", "STOP HERE")
WINDOWS = [[[2.0, 3.5]], [[0, 2], [5, 8]], [[10, 20]], [[0, 0]], [[1.25, 7], [6, 9], [20, 21]]]
RANGES = ["2.0 to 3.5", "2 to 4", "5 to 7", "from 5.0 and 7.5", "3.5 to 2", "The event is from 1 to 2, no: 12.5 TO 18", "2-4",
          "", "[(0, 2), (5, 8)]", "[(5, 7)]", "[(1, 3), (2, 6.5),]", "[]", "[(8, 5)]", "[[0, 2]]", "0 to 0", "about 11", "10.  to 20",
          "100 to 200", " [(0.0, 9)] ", "-1 to 5"]
for windows in WINDOWS:
    for answer in RANGES:
        add("temporal grounding", answer, json.dumps(windows))
    add("temporal grounding", "1 to 2</answer> no <answer>5 to 7", json.dumps(windows))
    add("temporal grounding", "5 to 7", json.dumps(windows), tagged=False)

WORDS = sorted(set(re.findall(r"[a-z0-9]+", " ".join(TEXTS).lower()))) + """caresses ponies ties cats feed agreed plastered bled
motoring sing conflated troubled sized hopping tanned falling hissing fizzed failing filing happy sky enjoy spy relational conditional
rational valency hesitancy digitizer conformably radically differently vilely analogously vietnamization predication operator feudalism
decisiveness hopefulness callousness formality sensitivity sensibility triplicate formative formalize electricity electrical hopeful
goodness revival allowance inference airliner gyroscopic adjustable defensible irritant replacement adjustment dependent adoption
homologous communism activate angularity effective bowdlerize probate rate cease controlling roll died tied applied news innings
proceeding geology apology nationally carefully usefully yes yyy oed ion sion ay bye eyed as is us x1 2nd 3d""".split()
stemmer = PorterStemmer()
out = {"cases": cases, "stems": {word: stemmer.stem(word) for word in WORDS},
       "floats": {text: None if (v := number(text)) is None else repr(v) for text in NUMBERS},
       "rounded": {repr(v): repr(round(v, 2)) for v in
                   [0.125, 0.375, 0.625, 2.675, 1.005, -0.125, -0.375, 1e15, 123456789.125, 1e22, 0.005, -2.5, 1234567.895]
                   + [random.uniform(-1e3, 1e3) for _ in range(40)] + [k / 8 for k in range(-20, 20)]}}
path = Path(__file__).with_name("tasks.json")
path.write_text(json.dumps(out, indent=None, separators=(",", ":"), ensure_ascii=True) + "\n")
print(len(cases), "cases", len(out["stems"]), "stems")
