"""Hold a model folder that twgrpo saved against the folder it came from, with transformers' auto classes.

Both are loaded with AutoModelForImageTextToText and AutoProcessor and given the same prompt with a random video; token ids and
logits must be equal bit for bit.
Run:  python check_saved_folder.py ORIGINAL SAVED [ORIGINAL SAVED ...]
"""

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

import torchvision_operators  # noqa: E402, F401
from transformers import AutoModelForImageTextToText, AutoProcessor  # noqa: E402


def run(folder: str) -> tuple[list[int], torch.Tensor, set[str]]:
    model, info = AutoModelForImageTextToText.from_pretrained(folder, output_loading_info=True, dtype=torch.float32)
    problems = {key: value for key, value in info.items() if value}
    assert not problems, (folder, problems)
    processor = AutoProcessor.from_pretrained(folder)
    video = torch.randint(0, 256, (4, 3, 56, 84), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    messages = [{"role": "user", "content": [{"type": "video"}, {"type": "text", "text": "What happens?"}]}]
    text = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    inputs = processor(
        text=[text], videos=[video], return_tensors="pt", videos_kwargs={"do_sample_frames": False, "do_resize": False}
    )
    with torch.no_grad():
        logits = model(**inputs).logits
    return inputs["input_ids"][0].tolist(), logits, set(model.state_dict())


def main() -> None:
    arguments = sys.argv[1:]
    for original, saved in zip(arguments[::2], arguments[1::2], strict=True):
        ids, logits, keys = run(original)
        ids_saved, logits_saved, keys_saved = run(saved)
        assert ids == ids_saved, "token ids differ"
        assert keys == keys_saved, keys ^ keys_saved
        assert torch.equal(logits, logits_saved), (logits - logits_saved).abs().max()
        print(f"{saved}: {len(ids)} ids and logits {tuple(logits.shape)} equal to {original}")


if __name__ == "__main__":
    main()
