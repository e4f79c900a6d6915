#!/usr/bin/env python3
"""Measures how well a small network can control the arm from an encoder's features, in minutes and without the simulator.

    .venv/bin/python scripts/chunk_error.py                                    # standardized and whitened features
    .venv/bin/python scripts/chunk_error.py --data data_200 --steps 5000
    .venv/bin/python scripts/chunk_error.py --known position                   # the box's x and y instead of features
    .venv/bin/python scripts/chunk_error.py agent.backbone.random_init=true agent.backbone.image_size=112

Trains a multilayer perceptron with a squared loss on the same task as the action heads, in the agent's format (two
observations of features and robot state, 16 actions), on demonstrations in results_output. It is tested on the 100
episodes of scripts/results.py: it predicts a chunk at every 8th step from the expert's images and from a robot state with
the error of its own last commands. Prints the same table as scripts/path_error.py: the distance between the commanded
point between the right gripper's fingers and the expert's path. Needs scripts/setup.sh --tests.
"""

import argparse
import sys

import numpy as np
import torch
from torch import nn

from localization import collect_test_views, embeddings
from path_error import LAST_STEP, STEPS, millimeters_off, print_header, print_row, tool_path
from results import DEMONSTRATIONS, OUTPUT, ROOT, collect_demonstrations

sys.path.insert(0, str(ROOT / "tests/reference"))
import imf_training  # noqa: E402

HORIZON, EXECUTED = 16, 8
STATE_NOISE = 0.02
WHITENING_FLOOR = 1e-3  # as in core/roboimi/contract/normalizer.cpp
KNOWN = {"position": slice(0, 2), "pose": slice(0, 7)}  # columns of env_state


def read(folder):
    """Reads robot states, actions [episodes, steps, 16] and box poses [episodes, steps, 7]."""
    return [torch.stack(tables) for tables in zip(*imf_training.read_episodes(folder), strict=True)]


def make_normalizer(x, whiten):
    """A function that normalizes features [episodes, steps, D] with the statistics of x."""
    rows = x.flatten(0, 1).double()
    mean, deviation = rows.mean(0), rows.std(0).clamp_min(1e-2)
    rotation = torch.eye(rows.shape[1], dtype=torch.float64)
    if whiten:
        variances, axes = torch.linalg.eigh(((rows - mean) / deviation).T.cov())
        rotation = axes / (variances.clamp_min(0) + WHITENING_FLOOR).sqrt()
    return lambda x: (((x.double() - mean) / deviation) @ rotation).float()


def network(condition):
    layers, width = [nn.Linear(condition, 256), nn.Linear(256, 512)], 512
    nn.init.normal_(layers[0].weight, 0, 0.02)
    for _ in range(2):
        layers += [nn.LayerNorm(width), nn.SiLU(), nn.Linear(width, width)]
    return nn.Sequential(*layers, nn.LayerNorm(width), nn.SiLU(), nn.Linear(width, HORIZON * 16))


def train(features, state, actions, steps, seed):
    torch.manual_seed(seed)
    model = network(2 * (features.shape[-1] + state.shape[-1]))
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-6, betas=(0.95, 0.999))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda i: min((i + 1) / 200, 1) * (1 + np.cos(np.pi * i / steps)) / 2)
    episodes, length = state.shape[:2]
    for _ in range(steps):
        # Draw a batch of windows: two observations and the actions from the first of them on.
        episode, now = torch.randint(episodes, (64, 1)), torch.randint(length, (64, 1))
        seen = torch.cat([(now - 1).clamp_min(0), now], 1)
        rows = now - 1 + torch.arange(HORIZON)
        inside = ((rows >= 0) & (rows < length)).float()
        noisy = state[episode, seen] + STATE_NOISE * torch.randn(64, 2, state.shape[-1])
        guess = model(torch.cat([features[episode, seen], noisy], -1).flatten(1)).view(64, HORIZON, -1)
        error = (guess - actions[episode, rows.clamp(0, length - 1)]).square().mean(-1)
        loss = (error * inside).sum() / inside.sum()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        schedule.step()
    return model


@torch.no_grad()
def commands(model, features, state, actions, state_scaling, action_scaling):
    """The commands of the first STEPS[-1] steps: [episodes, STEPS[-1], 16]."""
    (state_shift, state_scale), (action_shift, action_scale) = state_scaling, action_scaling
    chunks, before, now = [], state[:, 0], state[:, 0]
    for step in range(0, STEPS[-1], EXECUTED):
        seen = torch.stack([features[:, max(step - 1, 0)], features[:, step]], 1)
        states = (torch.stack([before, now], 1) - state_shift) * state_scale
        chunk = model(torch.cat([seen, states], -1).flatten(1)).view(len(state), HORIZON, -1)
        chunks.append(chunk[:, 1 : 1 + EXECUTED] / action_scale + action_shift)
        # The next robot state has the error of the last two commands.
        off = chunks[-1] - actions[:, step : step + EXECUTED]
        before, now = (state[:, step + EXECUTED - back] + off[:, -1 - back] for back in [1, 0])
    return torch.cat(chunks, 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="data", choices=[folder.name for folder in DEMONSTRATIONS])
    parser.add_argument("--steps", type=int, default=3000, help="number of training steps; default: 3000")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--known", choices=KNOWN, help="use the box's true position or pose instead of an encoder")
    parser.add_argument("overrides", nargs="*", help="overrides for the encoder: agent.backbone.KEY=VALUE")
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    # Collect or read the data, and encode it unless the box's pose is given.
    data, tested = OUTPUT / arguments.data, collect_test_views()
    collect_demonstrations(data)
    (state, actions, box), (new_state, new_actions, new_box) = read(data), read(tested)
    if arguments.known:
        x, new_x = (poses[..., KNOWN[arguments.known]] for poses in [box, new_box])
    else:
        x, new_x = (torch.tensor(embeddings(folder, OUTPUT / f"embeddings_{folder.name}.safetensors",
                                            arguments.overrides, range(state.shape[1])))
                    for folder in [data, tested])
    # Train and test one network per normalization and seed.
    paths = [tool_path(episode[:LAST_STEP].numpy()) for episode in new_actions]
    state_scaling, action_scaling = (imf_training.min_max(rows.flatten(0, 1)) for rows in [state, actions])
    print_header()
    for kind in ["standardized"] if arguments.known else ["standardized", "whitened"]:
        normalize = make_normalizer(x, whiten=kind == "whitened")
        for seed in arguments.seeds:
            model = train(normalize(x), (state - state_scaling[0]) * state_scaling[1],
                          (actions - action_scaling[0]) * action_scaling[1], arguments.steps, seed)
            commanded = commands(model, normalize(new_x), new_state, new_actions, state_scaling, action_scaling)
            off = np.array([millimeters_off(path, tool_path(episode[np.array(STEPS) - 1].numpy()))
                            for path, episode in zip(paths, commanded, strict=True)])
            print_row(f"{arguments.known or 'features'}, {kind}, {len(x)} demonstrations, seed {seed}", off)


if __name__ == "__main__":
    main()
