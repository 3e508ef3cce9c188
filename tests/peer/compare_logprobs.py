"""Hold `twgrpo logprobs` against transformers on random checkpoints that transformers makes on the spot.

Each seed draws another shape of the family: layers, widths, grouping of heads, windows, tied or not, dtype, shard size, config as
transformers saves it or rewritten in the published flat style, tokenizer with or without normalizer. The command runs as a user
would run it; frames, ids and greedy tokens must be equal, log-probabilities within 1e-4.

Run:  python compare_logprobs.py TWGRPO VIDEO [VIDEO ...] [--seeds 12] [--keep FOLDER]
      (TWGRPO: the command, such as ./twgrpo)
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

GOLDENS = Path(__file__).parent.parent / "goldens"
sys.path[:0] = [str(GOLDENS / "logprobs"), str(GOLDENS / "checkpoints")]

import torch  # noqa: E402
from make_goldens import PROMPTS, load, reference  # noqa: E402
import make_checkpoints as tiny  # noqa: E402
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers  # noqa: E402
from transformers import (  # noqa: E402
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessor,
    Qwen2VLProcessor,
    Qwen2VLVideoProcessor,
)

ATOL = 1e-4


def plain_tokenizer():
    """Byte-level BPE as one would train it in a minute: no normalizer, GPT-2's split."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.train_from_iterator(
        tiny.CORPUS,
        trainers.BpeTrainer(vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False),
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    tokenizer.add_special_tokens({"additional_special_tokens": tiny.SPECIAL})
    return tokenizer


def make(folder: Path, seed: int) -> dict:
    rng = random.Random(seed)
    is25 = rng.random() < 0.75
    tokenizer = tiny.make_tokenizer() if rng.random() < 0.5 else plain_tokenizer()
    ids = tiny.ids(tokenizer)
    head = rng.choice([8, 12, 16])
    kv = rng.choice([1, 2])
    heads = kv * rng.choice([1, 2, 3, 7])
    pairs = head // 2
    time = rng.randint(1, pairs - 2)
    height = rng.randint(1, pairs - time - 1)
    hidden = head * heads
    depth = rng.randint(2, 5)
    vision_head = rng.choice([8, 16])
    vision_heads = rng.choice([2, 4])
    vision = dict(depth=depth, num_heads=vision_heads, patch_size=14, spatial_merge_size=2, temporal_patch_size=2)
    if is25:
        vision |= dict(
            hidden_size=vision_head * vision_heads, intermediate_size=rng.choice([36, 50]), out_hidden_size=hidden,
            window_size=rng.choice([28, 56, 112]), tokens_per_second=rng.choice([1, 2, 4]),
            fullatt_block_indexes=sorted(rng.sample(range(depth), rng.randint(0, depth))),
        )  # fmt: skip
    else:
        vision |= dict(embed_dim=vision_head * vision_heads, hidden_size=hidden, mlp_ratio=rng.choice([2, 4]))
    text = dict(
        vocab_size=len(tokenizer) + rng.choice([0, 24]), hidden_size=hidden, intermediate_size=rng.choice([70, 128]),
        num_hidden_layers=rng.randint(1, 4), num_attention_heads=heads, num_key_value_heads=kv,
        max_position_embeddings=32768, rms_norm_eps=rng.choice([1e-6, 1e-5]), initializer_range=0.1,
        rope_theta=rng.choice([10000.0, 1000000.0]),
        rope_scaling={"type": "mrope", "mrope_section": [time, height, pairs - time - height]},
        bos_token_id=tokenizer.convert_tokens_to_ids("<|endoftext|>"),
        eos_token_id=tokenizer.convert_tokens_to_ids("<|im_end|>"),
    )  # fmt: skip
    tied = rng.random() < 0.5
    config = (Qwen2_5_VLConfig if is25 else Qwen2VLConfig)(vision_config=vision, tie_word_embeddings=tied, **text, **ids)
    torch.manual_seed(seed)
    model = (Qwen2_5_VLForConditionalGeneration if is25 else Qwen2VLForConditionalGeneration)(config)
    tiny.randomize(model, seed)
    dtype = rng.choice([torch.float32, torch.bfloat16, torch.float16])
    penalty = rng.choice([None, None, 1.05])
    if penalty:
        model.generation_config.repetition_penalty = penalty
    shard = rng.choice(["5GB", "100KB"])
    model.to(dtype).save_pretrained(folder, max_shard_size=shard)
    processor_class = Qwen2_5_VLProcessor if is25 else Qwen2VLProcessor
    processor_class(
        image_processor=Qwen2VLImageProcessor(), tokenizer=tokenizer, video_processor=Qwen2VLVideoProcessor(),
        chat_template=tiny.CHAT_TEMPLATE,
    ).save_pretrained(folder)  # fmt: skip
    style = rng.choice(["nested", "flat"])
    if style == "flat":
        flatten(folder, text, vision, ids, is25, tied, dtype)
    return dict(
        type="2.5" if is25 else "2", style=style, dtype=str(dtype)[6:], tied=tied, heads=f"{heads}/{kv}x{head}",
        tower=depth, window=vision.get("window_size"), shard=shard, penalty=penalty, tokenizer=type(tokenizer).__name__,
    )  # fmt: skip


def flatten(folder: Path, text: dict, vision: dict, ids: dict, is25: bool, tied: bool, dtype) -> None:
    """The published style: flat config.json, `visual.*` keys, preprocessor_config.json, chat_template.json."""
    tiny.rename_keys(folder, tiny.published_name, 120_000)
    model_type = "qwen2_5_vl" if is25 else "qwen2_vl"
    flat = dict(
        architectures=["Qwen2_5_VLForConditionalGeneration" if is25 else "Qwen2VLForConditionalGeneration"],
        model_type=model_type, **text, **ids, hidden_act="silu", tie_word_embeddings=tied, torch_dtype=str(dtype)[6:],
        use_sliding_window=False, vision_config=dict(vision, in_chans=3, spatial_patch_size=14, model_type=model_type),
    )  # fmt: skip
    (folder / "config.json").write_text(json.dumps(flat))
    both = json.loads((folder / "processor_config.json").read_text())
    template = (folder / "chat_template.jinja").read_text()
    for name in ("processor_config.json", "chat_template.jinja"):
        (folder / name).unlink()
    image = both["image_processor"] | {"processor_class": both["processor_class"]}
    (folder / "preprocessor_config.json").write_text(json.dumps(image))
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": template}))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("twgrpo")
    parser.add_argument("videos", nargs="+")
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--keep")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    worst = 0.0
    with tempfile.TemporaryDirectory() as scratch:
        for seed in range(arguments.first, arguments.first + arguments.seeds):
            folder = Path(arguments.keep or scratch) / f"seed-{seed}"
            shape = make(folder, seed)
            model, processor = load(folder)
            video = arguments.videos[seed % len(arguments.videos)]
            prompt, completion = PROMPTS[seed % len(PROMPTS)]
            seconds = [None, 1.0, 7.25][seed // 2 % 3]
            expected = reference(model, processor, video, prompt, completion, seconds, greedy=12)
            command = [arguments.twgrpo, "logprobs", "--model", folder, "--video", video, "--prompt", prompt]
            command += ["--completion", completion, "--greedy", "12", "--json", "--quiet"]
            command += ["--dtype", "float32"] if seed % 2 else []
            command += ["--second-per-grid", str(seconds)] if seconds else []
            run = subprocess.run([str(word) for word in command], capture_output=True, text=True)
            assert run.returncode == 0, run.stderr
            got = json.loads(run.stdout)
            assert list(got) == list(expected), list(got)
            for key in expected:
                if key != "completion_logprobs":
                    assert got[key] == expected[key], (seed, shape, key, got[key], expected[key])
            pairs = zip(got["completion_logprobs"], expected["completion_logprobs"], strict=True)
            difference = max(abs(a - b) for a, b in pairs)
            worst = max(worst, difference)
            print(f"seed {seed}: {difference:.1e}  {Path(video).name} slice {seconds} {shape}", flush=True)
            assert difference < ATOL
    print(f"{arguments.seeds} checkpoints: ids, frames and greedy tokens equal; log-probabilities within {worst:.1e}")


if __name__ == "__main__":
    main()
