#!/usr/bin/env python3
"""Trains the IMF head of a policy without images in PyTorch only, on the same data and with the same loss as roboimi.

    .venv/bin/python tests/reference/imf_training.py --data results_output/data --policy RUN/checkpoints/latest \\
        --output reference_policy
    roboimi eval --checkpoint reference_policy --episodes 100 --seed 1000

Shares no code with the C++ implementation: reading data (h5py), windows, normalization, network, derivatives
(torch.func.jvp), loss, AdamW and EMA are implemented here and in bench/reference/imf_eager.py. POLICY is a checkpoint of
a run on the data (agent=state_imf_attnres) that supplies sizes and options. Its statistics must equal those computed
here; its weights are replaced. The success rate of each policy must be within the other's confidence interval.
"""

import argparse
import copy
import math
import pathlib
import re
import shutil
import sys

import h5py
import torch
import yaml
from safetensors.torch import load_file, save_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench/reference"))
import imf_eager  # noqa: E402


def read_episodes(folder):
    def number(path):
        return int(re.findall(r"_(\d+)\.hdf5", path.name)[0])

    for path in sorted(pathlib.Path(folder).glob("episode_*.hdf5"), key=number):
        with h5py.File(path) as file:
            tables = file["observations/qpos"], file["action"], file["observations/env_state"]
            yield [torch.tensor(table[:], dtype=torch.float32) for table in tables]


def min_max(rows):
    """Shift and scale that map the rows to [-1, 1]. A range below 1e-4 is shifted but not scaled."""
    low, high = rows.min(0).values, rows.max(0).values
    span = high - low
    return (low + high) / 2, torch.where(span < 1e-4, torch.ones_like(span), 2 / span.clamp_min(1e-4))


def windows(episodes, observations, horizon):
    """Yields (condition, actions, is_pad) of every window whose current row is inside an episode.

    Rows outside the episode repeat its first or last row and are masked.
    """
    for state, actions, box in episodes:
        length = len(state)
        for current in range(length):
            first = current - observations + 1
            seen = torch.arange(first, current + 1).clamp(0, length - 1)
            rows = torch.arange(first, first + horizon)
            yield torch.cat([state[seen], box[seen]], -1), actions[rows.clamp(0, length - 1)], (rows < 0) | (rows >= length)


def draw_times(batch, share):
    times = torch.sigmoid(torch.randn(2, batch) - 0.4)
    r, t = times.min(0).values, times.max(0).values
    half = batch // 2
    r[:half] = t[:half] = times[0, :half]
    whole = round(share * (batch - half))
    r[half : half + whole], t[half : half + whole] = 0.0, 1.0
    return r, t


def velocity_of(model, prediction):
    if prediction == "velocity":
        return model
    return lambda z, r, t, cond: (z - model(z, r, t, cond)) / t.clamp_min(0.05)[:, None, None]


def loss_of(velocity, actions, cond, is_pad, share):
    half = len(actions) // 2
    r, t = draw_times(len(actions), share)
    noise = torch.randn_like(actions)
    z = (1 - t)[:, None, None] * actions + t[:, None, None] * noise
    compound = torch.cat([velocity(z[:half], r[:half], t[:half], cond[:half]),
                          imf_eager.jvp_velocity(velocity, z[half:], r[half:], t[half:], cond[half:])])
    each = torch.sqrt(1 + (compound - (noise - actions)).square()) - 1
    return each[~is_pad].mean()


def train(model, cond, actions, is_pad, options, head, seed):
    torch.manual_seed(seed)
    average = copy.deepcopy(model)
    # AdamW with linear warmup and cosine decay; an exponential moving average of the weights.
    optimizer = torch.optim.AdamW(model.parameters(), betas=tuple(options["betas"]), fused=True,
                                  weight_decay=float(options["weight_decay"]), eps=float(options["epsilon"]))
    steps, warmup = options["max_steps"], options["warmup_steps"]
    for step in range(steps):
        if step < warmup:
            factor = (step + 1) / warmup
        else:
            factor = 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))
        for group in optimizer.param_groups:
            group["lr"] = float(options["learning_rate"]) * factor
        chosen = torch.randint(len(cond), (options["batch_size"],))
        loss = loss_of(velocity_of(model, head["prediction"]), actions[chosen], cond[chosen], is_pad[chosen],
                       head["one_step_share"])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), options["clip_norm"])
        optimizer.step()
        decay = min(options["ema_decay"], 1 - (1 + step) ** -0.75)
        with torch.no_grad():
            for kept, current in zip(average.parameters(), model.parameters(), strict=True):
                kept.lerp_(current, 1 - decay)
        if (step + 1) % 100 == 0:
            print(f"step {step + 1}/{steps}  loss {loss.item():.5f}", flush=True)
    return average


def public_name(name):
    name = name.replace(".query", ".attn_res.pseudo_query")
    return "head." + (f"attnres_backbone.{name}" if name.startswith("layers.") else name)


def check_statistics(weights, statistics):
    for name, (shift, scale) in statistics.items():
        for part, expected in [("shift", shift), ("scale", scale)]:
            found = weights[f"{name}_normalizer.{part}"]
            if not torch.allclose(found, expected, rtol=1e-5, atol=1e-6):
                sys.exit(f"imf_training.py: {name} {part} of the policy: expected {expected}; found {found}")


# Options of the head and of the agent that are supported only with these values.
HEAD_OPTIONS = {"type": "imf_head", "loss": "pseudo_huber", "latent": "identity", "output": "sum", "attnres": "full",
                "residual": "attnres", "dropout": 0.0, "n_kv_head": None}
AGENT_OPTIONS = {"alignment": "diffusion", "state_noise": 0.0, "backbone": None, "use_env_state": True,
                 "state_normalization": "min_max", "action_normalization": "min_max"}


def check_options(agent):
    for table, where, options in [(agent, "agent", AGENT_OPTIONS), (agent["head"], "agent.head", HEAD_OPTIONS)]:
        for name, expected in options.items():
            if (found := table.get(name, expected)) != expected:
                sys.exit(f"imf_training.py: {where}.{name}: expected {expected}, the only supported value; found {found}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ["data", "policy", "output"]:
        parser.add_argument(f"--{name}", required=True, type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    # Read the policy, and check that its options and statistics match this implementation.
    config = yaml.safe_load((args.policy / "config.yaml").read_text())
    agent, head = config["agent"], config["agent"]["head"]
    check_options(agent)
    weights = load_file(args.policy / "model.safetensors")
    episodes = list(read_episodes(args.data))
    names = ["state", "action", "env_state"]
    statistics = {name: min_max(torch.cat([tables[i] for tables in episodes])) for i, name in enumerate(names)}
    check_statistics(weights, statistics)
    # Normalize the tables and cut them into windows.
    normal = [[(table - shift) * scale for table, (shift, scale) in zip(tables, statistics.values(), strict=True)]
              for tables in episodes]
    parts = zip(*windows(normal, agent["obs_horizon"], agent["pred_horizon"]), strict=True)
    cond, actions, is_pad = [torch.stack(part) for part in parts]

    # Train a new head from scratch.
    imf_eager.COND = cond.shape[-1]
    torch.manual_seed(args.seed)
    model = imf_eager.Head(head["n_emb"], head["n_layer"], head["n_head"])
    model.restructured = True
    average = train(model, cond, actions, is_pad, config["train"], head, args.seed)

    # Write a copy of the policy with the trained weights.
    shutil.copytree(args.policy, args.output, ignore=shutil.ignore_patterns("*.safetensors"))
    for file, trained in [("model", model), ("ema", average)]:
        replaced = {public_name(name): value.detach().contiguous() for name, value in trained.named_parameters()}
        old = load_file(args.policy / f"{file}.safetensors")
        missing = replaced.keys() - old.keys()
        if missing:
            sys.exit(f"imf_training.py: the policy has no {sorted(missing)}")
        save_file(old | replaced, args.output / f"{file}.safetensors")
    print(f"wrote {args.output}")


if __name__ == "__main__":
    main()
