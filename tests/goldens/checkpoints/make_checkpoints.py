"""Make the tiny random model folders of this directory with transformers itself.

Four folders, one for each shape the family has on disk (weights are random, dimensions tiny):

  qwen2-5-vl         untied, float32, config and keys as transformers 5 saves them
  qwen2-5-vl-flat    untied, bfloat16, published style: flat config.json, `visual.*` / `model.*` / `lm_head.*` keys,
                     several shards with an index, preprocessor_config.json, chat_template.json
  qwen2-5-vl-tied    tied embeddings, bfloat16, transformers 5 config, `model.visual.*` / `model.language_model.*` keys
  qwen2-vl           Qwen2-VL (no window attention, LayerNorm, plain MLP), bfloat16, published style

Run:  python make_checkpoints.py      (torch, torchvision, transformers >= 5.18, tokenizers, safetensors)
"""

import json
import shutil
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

import torchvision_operators  # noqa: E402, F401
from safetensors.torch import load_file, save_file  # noqa: E402
from tokenizers import models, normalizers, pre_tokenizers, trainers, decoders, Regex, Tokenizer  # noqa: E402
from transformers import (  # noqa: E402
    AddedToken,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2Tokenizer,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessor,
    Qwen2VLProcessor,
    Qwen2VLVideoProcessor,
)
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX  # noqa: E402

HERE = Path(__file__).parent

# The chat template of the published Qwen2.5-VL (and Qwen2-VL) instruct folders.
CHAT_TEMPLATE = (
    "{% set image_count = namespace(value=0) %}{% set video_count = namespace(value=0) %}{% for message in messages %}"
    "{% if loop.first and message['role'] != 'system' %}<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
    "{% endif %}<|im_start|>{{ message['role'] }}\n{% if message['content'] is string %}{{ message['content'] }}"
    "<|im_end|>\n{% else %}{% for content in message['content'] %}{% if content['type'] == 'image' or 'image' in content"
    " or 'image_url' in content %}{% set image_count.value = image_count.value + 1 %}{% if add_vision_id %}Picture "
    "{{ image_count.value }}: {% endif %}<|vision_start|><|image_pad|><|vision_end|>{% elif content['type'] == 'video'"
    " or 'video' in content %}{% set video_count.value = video_count.value + 1 %}{% if add_vision_id %}Video "
    "{{ video_count.value }}: {% endif %}<|vision_start|><|video_pad|><|vision_end|>{% elif 'text' in content %}"
    "{{ content['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endif %}{% endfor %}{% if add_generation_prompt %}"
    "<|im_start|>assistant\n{% endif %}"
)

SPECIAL = [
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>",
    "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
    "<|image_pad|>", "<|video_pad|>",
]  # fmt: skip
ADDED = ["<tool_call>", "</tool_call>"]  # added, but not special, as in the published tokenizer

CORPUS = [
    "Which of the following will happen if the red cube is removed? A. The blue sphere and the green cylinder collide.",
    "What will happen without the purple metal sphere? B. The yellow object enters the scene from the left.",
    "<think> The gray cube moves to the right and hits the cyan ball. </think> <answer> A,C </answer>",
    "Let me think step by step about the video. First, the object moves; then it stops. Therefore the answer is B.",
    "You are a helpful assistant. system user assistant video question options select all that apply letters",
    "It's what they're saying: we'll see, I'd say you've done it and I'm sure he doesn't.",
    "def collide(a, b):\n    return abs(a.x - b.x) < a.r + b.r\n\nfor i in range(10):\n    print(i, \"ok\")\n",
    "视频中的红色方块会撞到蓝色球体吗? 请选择正确的答案。", "Größe, naïve, façade, Ελληνικά, Русский, 日本語, 한국어, العربية 🙂🚀",
] * 4  # fmt: skip


def make_tokenizer() -> Qwen2Tokenizer:
    bpe = Tokenizer(models.BPE())
    bpe.normalizer = normalizers.NFC()
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=480, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=[], show_progress=False
    )
    bpe.train_from_iterator(CORPUS, trainer)
    model = json.loads(bpe.to_str())["model"]
    tokenizer = Qwen2Tokenizer(
        vocab=model["vocab"],
        merges=[tuple(m) for m in model["merges"]],
        unk_token=None,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=SPECIAL,
        chat_template=CHAT_TEMPLATE,
        model_max_length=32768,
    )
    tokenizer.add_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIAL])
    tokenizer.add_tokens([AddedToken(t, special=False, normalized=False) for t in ADDED])
    return tokenizer


def text_params(tokenizer: Qwen2Tokenizer) -> dict:
    return dict(
        vocab_size=512,  # larger than the tokenizer, as the published ones are
        hidden_size=64,
        intermediate_size=112,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=32768,
        rms_norm_eps=1e-6,
        rope_theta=1000000.0,
        initializer_range=0.1,
        bos_token_id=tokenizer.convert_tokens_to_ids("<|endoftext|>"),
        eos_token_id=tokenizer.convert_tokens_to_ids("<|im_end|>"),
        rope_scaling={"type": "mrope", "mrope_section": [2, 3, 3]},
    )


def ids(tokenizer: Qwen2Tokenizer) -> dict:
    return {
        "vision_start_token_id": tokenizer.convert_tokens_to_ids("<|vision_start|>"),
        "vision_end_token_id": tokenizer.convert_tokens_to_ids("<|vision_end|>"),
        "image_token_id": tokenizer.convert_tokens_to_ids("<|image_pad|>"),
        "video_token_id": tokenizer.convert_tokens_to_ids("<|video_pad|>"),
    }


VISION_25 = dict(
    depth=4, hidden_size=32, intermediate_size=44, num_heads=2, out_hidden_size=64, window_size=56,
    fullatt_block_indexes=[1, 3], tokens_per_second=2, patch_size=14, spatial_merge_size=2, temporal_patch_size=2,
    initializer_range=0.1,
)  # fmt: skip
VISION_2 = dict(
    depth=3, embed_dim=32, hidden_size=64, num_heads=2, mlp_ratio=2, patch_size=14, spatial_merge_size=2,
    temporal_patch_size=2, initializer_range=0.1,
)  # fmt: skip


def randomize(model: torch.nn.Module, seed: int) -> None:
    """Every parameter random, norms around one: an all-ones norm or a zero bias would hide a mistake."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float32)
            if "norm" in name or "ln_q" in name:
                value = (1.0 if name.endswith("weight") else 0.0) + 0.1 * noise
            elif name.endswith("bias"):
                value = 0.05 * noise
            elif "embed_tokens" in name or "lm_head" in name:
                value = 0.3 * noise
            else:
                value = noise / parameter[0].numel() ** 0.5
            parameter.copy_(value.to(parameter.dtype))


def published_name(key: str) -> str:
    for new, old in (("model.visual.", "visual."), ("model.language_model.", "model.")):
        if key.startswith(new):
            return old + key[len(new) :]
    return key


def nested_name(key: str) -> str:
    key = published_name(key)
    if key.startswith("visual."):
        return "model." + key
    if key.startswith("model."):
        return "model.language_model." + key[len("model.") :]
    return key


def rename_keys(folder: Path, rename, shard_bytes: int | None) -> None:
    """Rewrite a folder's weights under other names, in shards of at most `shard_bytes`."""
    tensors = {}
    for file in sorted(folder.glob("*.safetensors")):
        tensors |= {rename(k): v for k, v in load_file(file).items()}
        file.unlink()
    (folder / "model.safetensors.index.json").unlink(missing_ok=True)
    if shard_bytes is None:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        return
    shards, size = [{}], 0
    for key in sorted(tensors):
        n = tensors[key].nbytes
        if size + n > shard_bytes and shards[-1]:
            shards.append({})
            size = 0
        shards[-1][key] = tensors[key]
        size += n
    weight_map = {}
    for i, shard in enumerate(shards):
        name = f"model-{i + 1:05d}-of-{len(shards):05d}.safetensors"
        save_file(shard, folder / name, metadata={"format": "pt"})
        weight_map |= {k: name for k in shard}
    total = sum(t.nbytes for t in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")


def write_flat_files(folder: Path, model_type: str, config, tokenizer: Qwen2Tokenizer) -> None:
    """Replace the config and processor files by ones of the published style."""
    text = text_params(tokenizer)
    is25 = model_type == "qwen2_5_vl"
    vision = dict(VISION_25 if is25 else VISION_2)
    vision.pop("initializer_range")
    vision |= {"in_chans": 3, "spatial_patch_size": vision["patch_size"], "model_type": model_type}
    if is25:
        vision |= {"hidden_act": "silu", "tokens_per_second": 2}
    flat = {
        "architectures": ["Qwen2_5_VLForConditionalGeneration" if is25 else "Qwen2VLForConditionalGeneration"],
        "attention_dropout": 0.0,
        **text,
        "hidden_act": "silu",
        "model_type": model_type,
        "sliding_window": 32768,
        "max_window_layers": text["num_hidden_layers"],
        "use_sliding_window": False,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "transformers_version": "4.41.2",
        "use_cache": True,
        **ids(tokenizer),
        "vision_token_id": tokenizer.convert_tokens_to_ids("<|vision_pad|>"),
        "vision_config": vision,
    }
    (folder / "config.json").write_text(json.dumps(flat, indent=2) + "\n")
    for name in ("processor_config.json", "chat_template.jinja", "video_preprocessor_config.json"):
        (folder / name).unlink(missing_ok=True)
    preprocessor = {
        "min_pixels": 3136,
        "max_pixels": 12845056,
        "patch_size": 14,
        "temporal_patch_size": 2,
        "merge_size": 2,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
        "image_processor_type": "Qwen2VLImageProcessor",
        "processor_class": "Qwen2_5_VLProcessor" if is25 else "Qwen2VLProcessor",
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor, indent=2) + "\n")
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": CHAT_TEMPLATE}, indent=2) + "\n")
    tokenizer_config = json.loads((folder / "tokenizer_config.json").read_text())
    tokenizer_config["chat_template"] = CHAT_TEMPLATE
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer_config, indent=2, ensure_ascii=False) + "\n")


def write_folder(name: str, seed: int, *, model_type: str, dtype: torch.dtype, tied: bool, style: str, shard=None):
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    tokenizer = make_tokenizer()
    is25 = model_type == "qwen2_5_vl"
    config_class = Qwen2_5_VLConfig if is25 else Qwen2VLConfig
    model_class = Qwen2_5_VLForConditionalGeneration if is25 else Qwen2VLForConditionalGeneration
    config = config_class(
        vision_config=dict(VISION_25 if is25 else VISION_2),
        tie_word_embeddings=tied,
        **text_params(tokenizer),
        **ids(tokenizer),
    )
    torch.manual_seed(seed)
    model = model_class(config)
    randomize(model, seed)
    model = model.to(dtype)
    model.generation_config.do_sample = True
    model.generation_config.temperature = 0.1
    model.generation_config.top_k = 1
    model.generation_config.top_p = 0.001
    model.generation_config.repetition_penalty = 1.05
    model.generation_config.eos_token_id = [
        tokenizer.convert_tokens_to_ids("<|im_end|>"),
        tokenizer.convert_tokens_to_ids("<|endoftext|>"),
    ]
    model.generation_config.pad_token_id = tokenizer.convert_tokens_to_ids("<|endoftext|>")
    model.save_pretrained(folder)
    processor_class = Qwen2_5_VLProcessor if is25 else Qwen2VLProcessor
    processor = processor_class(
        image_processor=Qwen2VLImageProcessor(),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(),
        chat_template=CHAT_TEMPLATE,
    )
    processor.save_pretrained(folder)
    if style == "published":
        rename_keys(folder, published_name, shard)
        write_flat_files(folder, model_type, config, tokenizer)
    elif style == "nested-keys":
        rename_keys(folder, nested_name, shard)

    # Whatever we rewrote must still load, and to the same weights.
    loaded, info = model_class.from_pretrained(folder, output_loading_info=True, dtype=dtype)
    problems = {k: v for k, v in info.items() if v}
    assert not problems, (name, problems)
    for (key, a), (_, b) in zip(sorted(model.named_parameters()), sorted(loaded.named_parameters()), strict=True):
        assert torch.equal(a, b), (name, key)
    processor_class.from_pretrained(folder)
    size = sum(f.stat().st_size for f in folder.iterdir())
    print(f"{name}: {sum(p.numel() for p in model.parameters())} parameters, {size} bytes, {sorted(f.name for f in folder.iterdir())}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    f32, bf16 = torch.float32, torch.bfloat16
    write_folder("qwen2-5-vl", 1, model_type="qwen2_5_vl", dtype=f32, tied=False, style="transformers-5")
    write_folder("qwen2-5-vl-flat", 2, model_type="qwen2_5_vl", dtype=bf16, tied=False, style="published", shard=150_000)
    write_folder("qwen2-5-vl-tied", 3, model_type="qwen2_5_vl", dtype=bf16, tied=True, style="nested-keys")
    write_folder("qwen2-vl", 4, model_type="qwen2_vl", dtype=bf16, tied=False, style="published")
