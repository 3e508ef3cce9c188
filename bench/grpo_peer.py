"""One GRPO training step as PyTorch users run it: transformers' `generate`, then the authors' loss.

This is the other side of `npm run bench -- grpo`. It follows longmalongma/TW-GRPO `src/open_r1/trainer/grpo_trainer.py`:
every completion carries its own copy of the prompt and of the video, the head computes logits at all positions, the
log-probabilities of the whole vocabulary are kept, token weights come from them (undetached), the loss is a token mean.
Vision tower and merger are frozen, everything else trains with AdamW.

Where the authors' choice is about GPUs or costs time on a CPU it is left out, in this script's favour:
 - float32 instead of bfloat16 (three times faster here); no accelerate, DeepSpeed or offloading around the model
 - attention is `sdpa` (fused kernels) and AdamW is the fused one
 - no top-k in the sampler (theirs has transformers' default of 50); pure sampling at temperature 1
 - frames are decoded and cut into patches beforehand, outside of the measured step (as on our side)

Reads one JSON command a line from stdin, answers one JSON line to stdout:
  {"do": "load", "model": DIR, "inputs": FILE, "threads": 2}
  {"do": "step", "num_generations": 8, "completion_length": 200, "gradient_checkpointing": false,
   "vision_in_generate": "repeated" | "once", "completions": [[id, ...], ...] | null}
     completions given: they are scored instead of freshly generated ones.
`peak_bytes` is the kernel's VmHWM of this process.
"""

import json
import math
import os
import sys
import time

# Pixels come prepared; a torchvision made for another PyTorch must not stop us.
sys.modules["torchvision"] = None

import torch
import transformers
from safetensors.torch import load_file
from transformers import Qwen2_5_VLForConditionalGeneration

EPSILON_LOW, EPSILON_HIGH, ALPHA, MAX_GRAD_NORM, LEARNING_RATE = 0.20, 0.28, 1.70, 20.0, 1e-6


def peak_bytes():
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
    raise RuntimeError("no VmHWM in /proc/self/status")


class Phases:
    """Wall time and processor time by name; entering a phase ends the one before."""

    def __init__(self):
        self.seconds, self.cpu_seconds, self._name, self._since = {}, {}, None, (0.0, 0.0)

    def enter(self, name):
        now = (time.perf_counter(), time.process_time())
        if self._name is not None:
            for into, before, after in zip((self.seconds, self.cpu_seconds), self._since, now):
                into[self._name] = into.get(self._name, 0.0) + after - before
        self._name, self._since = name, now


class Peer:
    def __init__(self, model, inputs, threads, attention="sdpa"):
        torch.set_num_threads(threads)
        self.model = Qwen2_5_VLForConditionalGeneration.from_pretrained(
            model, dtype=torch.float32, attn_implementation=attention
        )
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_("visual" not in name)
        self.trainable = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(self.trainable, lr=LEARNING_RATE, weight_decay=0.0, fused=True)
        self.pad = self.model.generation_config.pad_token_id

        with open(inputs.removesuffix(".safetensors") + ".json") as file:
            facts = json.load(file)
        ids = torch.tensor([facts["input_ids"]])
        self.prompt = dict(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            mm_token_type_ids=(ids == self.model.config.video_token_id).int() * 2,
            pixel_values_videos=load_file(inputs)["pixel_values_videos"],
            video_grid_thw=torch.tensor(facts["video_grid_thw"]),
            second_per_grid_ts=torch.tensor(facts["second_per_grid_ts"]),
        )

    def repeated(self, times):
        """Prompt and video once for each completion."""
        return {
            name: value.repeat(times, *[1] * (value.ndim - 1)) for name, value in self.prompt.items()
        }

    @torch.no_grad()
    def generate(self, num_generations, completion_length, vision_in_generate):
        # transformers up to 4.5x repeated pixels for each returned sequence (what the authors ran); 5.18 encodes the
        # video once and repeats its features. The first is had by repeating the inputs ourselves.
        once = vision_in_generate == "once"
        inputs = self.prompt if once else self.repeated(num_generations)
        full = self.model.generate(
            **inputs,
            num_return_sequences=num_generations if once else 1,
            min_new_tokens=completion_length,
            max_new_tokens=completion_length,
            do_sample=True,
            temperature=1.0,
            top_k=0,
            top_p=1.0,
            use_cache=True,
            pad_token_id=self.pad,
            # A model of random weights says these now and then; as part of a prompt they would ask for more video.
            suppress_tokens=[self.model.config.video_token_id, self.model.config.image_token_id],
        )
        return full[:, self.prompt["input_ids"].shape[1] :]

    def token_logps(self, completions):
        """The authors' `_get_per_token_logps`: logits of all positions, full log-softmax, row by row."""
        rows, length = completions.shape
        inputs = self.repeated(rows)
        inputs["input_ids"] = ids = torch.cat([inputs["input_ids"], completions], dim=1)
        # Positions in time and space need the token types; the mask is left out, as the authors do.
        inputs["mm_token_type_ids"] = torch.cat(
            [inputs["mm_token_type_ids"], torch.zeros(rows, length, dtype=torch.int32)], dim=1
        )
        del inputs["attention_mask"]
        logits = self.model(**inputs, use_cache=False).logits[:, :-1]
        taken, everything = [], []
        for row, row_ids in zip(logits, ids[:, 1:]):
            logps = row.log_softmax(dim=-1)
            taken.append(torch.gather(logps, 1, row_ids.unsqueeze(1)).squeeze(1))
            everything.append(logps)
        start = self.prompt["input_ids"].shape[1] - 1
        return torch.stack(taken)[:, start:], torch.stack(everything)[:, start:]

    @staticmethod
    def token_weights(logps_GTV, mask_GT):
        """The authors' `compute_token_importance_kl_logs_uniform`; the gradient flows through."""
        uniform = torch.full_like(logps_GTV, -math.log(logps_GTV.shape[-1]))
        logps_GTV = torch.where(mask_GT[..., None], logps_GTV, uniform)
        gap = (logps_GTV.mean(dim=0, keepdim=True) - logps_GTV).clamp(-11, 11)
        divergence_T = (torch.exp(gap) - gap - 1).sum(dim=-1).mean(dim=0)
        low, high = divergence_T.min(), divergence_T.max()
        weights_T = 1 + (ALPHA - 1) * (divergence_T - low) / (high - low + 1e-8)
        return weights_T[None] * mask_GT

    def step(
        self,
        num_generations,
        completion_length,
        gradient_checkpointing=False,
        vision_in_generate="repeated",
        completions=None,
        update=True,
    ):
        phases, started = Phases(), time.perf_counter()
        if completions is None:
            # TRL switches checkpointing off while it generates; with it the cache would be off.
            phases.enter("generate")
            self.model.eval()
            self.model.gradient_checkpointing_disable()
            completions = self.generate(num_generations, completion_length, vision_in_generate)
        else:
            completions = torch.tensor(completions)
        assert completions.shape == (num_generations, completion_length), completions.shape

        phases.enter("forward")
        self.model.train()
        if gradient_checkpointing:
            self.model.gradient_checkpointing_enable({"use_reentrant": False})
        else:
            self.model.gradient_checkpointing_disable()
        logps, all_logps = self.token_logps(completions)
        mask = torch.ones_like(completions, dtype=torch.bool)
        advantages = advantages_of(num_generations)[:, None]
        weights = self.token_weights(all_logps, mask)
        ratio = torch.exp(logps - logps.detach())
        clipped = ratio.clamp(1 - EPSILON_LOW, 1 + EPSILON_HIGH)
        per_token = -torch.min(ratio * advantages, clipped * advantages) * weights
        loss = (per_token * mask).sum() / mask.sum()

        phases.enter("backward")
        loss.backward()
        phases.enter("optimizer")
        norm = torch.nn.utils.clip_grad_norm_(self.trainable, MAX_GRAD_NORM)
        if update:
            self.optimizer.step()
        self.optimizer.zero_grad()
        phases.enter(None)
        return dict(
            step_s=time.perf_counter() - started,
            phases_s=phases.seconds,
            cpu_s=sum(phases.cpu_seconds.values()),
            loss=loss.item(),
            grad_norm=norm.item(),
            logps_sum=logps.detach().double().sum().item(),
            peak_bytes=peak_bytes(),
        )


def advantages_of(num_generations):
    """Fixed rewards 0, 1/2, 1, 0, 1/2, 1, ...: what a reward costs is not measured here."""
    rewards = torch.tensor([(g % 3) / 2 for g in range(num_generations)])
    return (rewards - rewards.mean()) / (rewards.std() + 1e-4) if num_generations > 1 else rewards + 1


def main():
    peer = None
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print must not mix with the answers
    for line in sys.stdin:
        command = json.loads(line)
        do = command.pop("do")
        if do == "load":
            peer = Peer(**command)
            answer = dict(
                torch=torch.__version__,
                transformers=transformers.__version__,
                python=sys.version.split()[0],
                threads=torch.get_num_threads(),
                parameters=sum(p.numel() for p in peer.model.parameters()),
                trainable=sum(p.numel() for p in peer.trainable),
                prompt_length=peer.prompt["input_ids"].shape[1],
                peak_bytes=peak_bytes(),
            )
        else:
            answer = peer.step(**command)
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
