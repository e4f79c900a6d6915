"""Writes optimizer_reference.json: clipped AdamW, its schedule and an EMA, by PyTorch's own parts.

    .venv/bin/python tests/golden/optimizer_reference.py
"""
import json
import pathlib

import torch

STEPS, WARMUP, PEAK, MAX_NORM = 8, 3, 0.05, 1.5
torch.manual_seed(0)
weight = torch.nn.Parameter(torch.randn(3, 7))
bias = torch.nn.Parameter(torch.randn(5))
start = {"weight": weight.tolist(), "bias": bias.tolist()}

optimizer = torch.optim.AdamW(
    [{"params": [weight], "weight_decay": 0.1}, {"params": [bias], "weight_decay": 0.0}],
    lr=PEAK, betas=(0.95, 0.999), eps=1e-8)
schedule = torch.optim.lr_scheduler.SequentialLR(optimizer, [
    torch.optim.lr_scheduler.LinearLR(optimizer, 1 / WARMUP, 1.0, WARMUP - 1),
    torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS - WARMUP)], [WARMUP])
average = weight.detach().double().clone()

steps = []
for step in range(STEPS):
    # Gradients shrink, so that the first steps are clipped and the last ones are not.
    weight.grad, bias.grad = (torch.randn_like(p) * 0.6 ** step for p in (weight, bias))
    record = {"weight_grad": weight.grad.tolist(), "bias_grad": bias.grad.tolist()}
    record["norm"] = torch.nn.utils.clip_grad_norm_([weight, bias], MAX_NORM).item()
    record["clipped_bias_grad"] = bias.grad.tolist()
    record["learning_rate"] = optimizer.param_groups[0]["lr"]
    optimizer.step()
    schedule.step()
    record["weight"], record["bias"] = weight.tolist(), bias.tolist()
    # diffusion_policy's EMAModel with inv_gamma 1, power 0.75, capped at 0.6 to see the cap.
    decay = min(0.6, 1 - (1 + step) ** -0.75)
    average = average * decay + weight.detach().double() * (1 - decay)
    record["average"] = average.tolist()
    steps.append(record)

path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps({"warmup": WARMUP, "peak": PEAK, "max_norm": MAX_NORM, "start": start,
                            "steps": steps}) + "\n")
