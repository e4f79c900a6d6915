#!/usr/bin/env python3
"""Measures success rates on sim_transfer: trains each row, evaluates it on unseen seeds, and prints a table.

    scripts/results.py                          # every row; hours on two cores
    scripts/results.py state_imf lewm_imf       # these rows
    scripts/results.py lewm_imf --seeds 0 1 2   # one row with three training seeds
    scripts/results.py --table                  # print the table of existing results
    scripts/results.py --curve 2000 lewm_imf    # success after every 2,000 steps of a training run
    scripts/results.py --jobs 4 --threads 4     # four rows at a time, four threads each

Needs build/release/bin/roboimi (built by scripts/demo.sh), or the program in the variable ROBOIMI. Everything is
kept in results_output/: existing results are reused, and interrupted training runs continue. Confidence intervals are
95 % Wilson intervals. p-values are from McNemar's exact test on the seeds that two rows share. Each row is compared
with IMF in one step: rows with box state with `state_imf`, all others with `lewm_imf`.
"""

import argparse
import concurrent.futures
import json
import math
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "results_output"
ROBOIMI = pathlib.Path(os.environ.get("ROBOIMI", ROOT / "build/release/bin/roboimi"))
TEST_SEEDS = ["--episodes", 100, "--seed", 1000]
# Folders of demonstrations. Seeds start at 0, so the 50 demonstrations are the first of the 200. In data_varied,
# waypoints in the air have 20 mm of noise; those at the box have 2 mm, as in the other folders.
DEMONSTRATIONS = {OUTPUT / "data": ["collect.num_episodes=50"],
                  OUTPUT / "data_200": ["collect.num_episodes=200"],
                  OUTPUT / "data_varied": ["collect.num_episodes=50", "env.expert_path_noise=0.02"]}
TRAINING = ["size=small", f"data.path={OUTPUT}/data", "train.max_steps=10000",
            "train.batch_size=64", "train.warmup_steps=200", "train.save_every=1000", "train.keep_top_k=10",
            "train.rollout_num_episodes=0"]
STATE = ["agent=state_imf_attnres"]
DENOISER = ["agent.head.p_drop_attn=0.1"]
VELOCITY = ["agent.head.prediction=velocity"]
NO_NOISE = ["agent.state_noise=0"]  # adds no noise to the state
MEAN_STD = ["agent.feature_normalization=mean_std"]  # standardizes the features instead of whitening them
RANDOM_LEWM = ["agent.backbone.random_init=true", "agent.backbone.image_size=112"]
RANDOM_RESNET = ["agent/backbone=resnet18", "agent.backbone.frozen=true"]
VARIED = [f"data.path={OUTPUT}/data_varied"]
DATA_200 = [f"data.path={OUTPUT}/data_200"]
TWO_STEPS = ["agent.head.num_inference_steps=2"]
DDIM = ["agent.head.sampler=ddim", "agent.head.num_inference_steps=10"]

CONTROLS = {"black": ("the same in 1 step, black images (control)", ["--control", "black"]),
            "shuffled": ("the same in 1 step, another episode's images (control)", ["--control", "shuffled"]),
            "hold_pose": ("no policy: holds the first pose (control)", ["--control", "hold_pose"])}

EVERY_SEED = ["", "2_steps"]  # the evaluations of training runs with a seed other than 0

# name: (title, overrides for training, {evaluation: (title, arguments of eval)})
ROWS = {
    "state_imf": ("box state, IMF, 1 step", STATE,
                  {"": ("", []),
                   "2_steps": ("box state, IMF, 2 steps", TWO_STEPS),
                   "fp32": ("box state, IMF, 1 step in fp32",
                            ["agent.head.inference_precision=fp32"])}),
    "state_velocity": ("box state, IMF that predicts the velocity, 1 step", STATE + VELOCITY,
                       {"": ("", []),
                        "2_steps": ("box state, IMF that predicts the velocity, 2 steps", TWO_STEPS)}),
    "state_diffusion": ("box state, diffusion, DDIM 10", STATE + ["agent/head=diffusion"] + DENOISER,
                        {"": ("", DDIM),
                         "20_steps": ("box state, diffusion, DDIM 20",
                                      DDIM[:1] + ["agent.head.num_inference_steps=20"])}),
    "state_flow": ("box state, flow matching, 10 steps",
                   STATE + ["agent/head=flow_matching"] + DENOISER, {}),
    "state_plain": ("box state, IMF, plain residuals", STATE + ["agent.head.residual=plain"], {}),
    "state_mse": ("box state, IMF, squared loss", STATE + ["agent.head.loss=mse"], {}),
    "state_adaptive": ("box state, IMF, adaptive loss", STATE + ["agent.head.loss=adaptive_l2"], {}),
    "state_pytorch": ("box state, IMF, trained with PyTorch only", STATE, {}),
    "overfit_imf": ("one demonstration, LEWM, IMF, from its own initial state",
                    NO_NOISE + ["data.max_episodes=1", "train.max_steps=4000"],
                    {"": ("", ["--episodes", 1, "--seed", 0])}),
    "blind_imf": ("robot state only (control), IMF",
                  STATE + ["agent.use_env_state=false"], {}),
    "lewm_imf": ("LEWM, IMF, 1 step", [],
                 {"": ("", []),
                  "2_steps": ("LEWM, IMF, 2 steps", TWO_STEPS),
                  **CONTROLS}),
    "lewm_imf_200": ("LEWM, IMF, 1 step, 200 demonstrations", DATA_200, {}),
    "lewm_diffusion": ("LEWM, diffusion, DDIM 10", ["agent/head=diffusion"] + DENOISER,
                       {"": ("", DDIM)}),
    "lewm_flow": ("LEWM, flow matching, 10 steps", ["agent/head=flow_matching"] + DENOISER, {}),
    "lewm_random_imf": ("LEWM with random weights (control), IMF", RANDOM_LEWM, {}),
    "resnet_random_imf": ("ResNet-18 with random weights, frozen (control), IMF", RANDOM_RESNET, {}),
    "lewm_mean_std": ("LEWM, standardized features, IMF, 1 step", MEAN_STD,
                      {"": ("", []),
                       "2_steps": ("LEWM, standardized features, IMF, 2 steps", TWO_STEPS),
                       **CONTROLS,
                       "4_actions": ("LEWM, standardized features, IMF, 1 step, 4 actions per chunk",
                                     ["agent.num_action_steps=4"]),
                       "12_actions": ("LEWM, standardized features, IMF, 1 step, 12 actions per chunk",
                                      ["agent.num_action_steps=12"])}),
    "lewm_mean_std_200": ("LEWM, standardized features, IMF, 1 step, 200 demonstrations", MEAN_STD + DATA_200, {}),
    "lewm_mean_std_varied": ("LEWM, standardized features, IMF, 1 step, demonstrations over varied paths",
                             MEAN_STD + VARIED, {}),
    "lewm_mean_std_diffusion": ("LEWM, standardized features, diffusion, DDIM 10",
                                MEAN_STD + ["agent/head=diffusion"] + DENOISER, {"": ("", DDIM)}),
    "lewm_mean_std_flow": ("LEWM, standardized features, flow matching, 10 steps",
                           MEAN_STD + ["agent/head=flow_matching"] + DENOISER, {}),
    "lewm_no_noise": ("LEWM, standardized features, IMF without noise on the state, 1 step", MEAN_STD + NO_NOISE,
                      {"": ("", []),
                       "2_steps": ("LEWM, standardized features, IMF without noise on the state, 2 steps", TWO_STEPS),
                       "ensemble": ("the same, 1 step, a chunk at every step, ensemble",
                                    ["agent.num_action_steps=1", "agent.ensemble_decay=0.01"])}),
    "lewm_velocity": ("LEWM, standardized features, IMF that predicts the velocity, without that noise, 1 step",
                      MEAN_STD + VELOCITY + NO_NOISE,
                      {"": ("", []),
                       "2_steps": ("LEWM, standardized features, IMF that predicts the velocity, without it, 2 steps",
                                   TWO_STEPS)}),
    "lewm_random_velocity": ("LEWM with random weights (control), the same",
                             MEAN_STD + VELOCITY + NO_NOISE + RANDOM_LEWM, {}),
    "resnet_random_mean_std": ("ResNet-18 with random weights, frozen (control), standardized features, IMF",
                               MEAN_STD + RANDOM_RESNET, {}),
    "resnet_random_mean_std_varied": ("the same, demonstrations over varied paths",
                                      MEAN_STD + RANDOM_RESNET + VARIED, {}),
}


def roboimi(*arguments):
    """Runs the program and exits if it fails. The program's own error message is printed above."""
    print("+ roboimi", *arguments, flush=True)
    status = subprocess.run([ROBOIMI, *map(str, arguments)]).returncode
    if status != 0:
        raise SystemExit(f"{pathlib.Path(sys.argv[0]).name}: roboimi {arguments[0]} ended with status {status}")


def training_value(key, overrides):
    """The value of a key in TRAINING and overrides; the last one wins."""
    return [o.removeprefix(f"{key}=") for o in TRAINING + overrides if o.startswith(f"{key}=")][-1]


def collect_demonstrations(folder):
    roboimi("collect", "--config", "collect_sim_transfer.yaml", "size=small", f"collect.output={folder}",
            "collect.noise=0.002", *DEMONSTRATIONS[folder])


def run_folder(name, seed):
    folders = sorted((OUTPUT / "runs").glob(f"*_{name}_seed{seed}"))
    return folders[-1] if folders else None


def last_step(folder):
    state = folder / "checkpoints/latest/state.json"
    return json.loads(state.read_text())["step"] if state.exists() else 0


def train_by_pytorch(seed, threads):
    """Trains the row state_imf with a script that shares no code with the C++ implementation."""
    folder = OUTPUT / f"state_pytorch_seed{seed}"
    if not folder.exists():
        model = train("state_imf", ROWS["state_imf"][1], seed, threads)
        command = [ROOT / ".venv/bin/python", ROOT / "tests/reference/imf_training.py", "--data", OUTPUT / "data",
                   "--policy", model / "checkpoints/latest", "--output", folder, "--seed", seed, "--threads", threads]
        print("+", *command, flush=True)
        status = subprocess.run(list(map(str, command))).returncode
        if status != 0:
            raise SystemExit(f"results.py: imf_training.py ended with status {status}; see scripts/setup.sh --tests")
    return folder


def train(name, overrides, seed, threads):
    if name == "state_pytorch":
        return train_by_pytorch(seed, threads)
    folder = run_folder(name, seed)
    step = last_step(folder) if folder else 0
    if step == 0:
        roboimi("run", "--config", "lewm_imf_attnres.yaml", *TRAINING, *overrides, f"seed={seed}",
                f"train.threads={threads}", f"output_dir={OUTPUT}/runs", f"name={name}_seed{seed}")
    elif step < int(training_value("train.max_steps", overrides)):
        roboimi("run", "--resume", folder)
    return run_folder(name, seed)


def evaluations(row):
    return ROWS[row][2] or {"": ("", [])}


def result_folder(row, evaluation, seed):
    return OUTPUT / "evaluations" / f"{row}{'_' + evaluation if evaluation else ''}_seed{seed}"


def evaluate(row, seed, threads):
    folder = train(row, ROWS[row][1], seed, threads)
    for evaluation, (_, arguments) in evaluations(row).items():
        if seed != 0 and evaluation not in EVERY_SEED:
            continue
        evaluate_checkpoint(folder, result_folder(row, evaluation, seed), arguments, threads)


def evaluate_checkpoint(checkpoint, result, arguments, threads):
    if not (result / "summary.json").exists():
        seeds = [] if "--seed" in arguments else TEST_SEEDS
        roboimi("eval", "--checkpoint", checkpoint, *seeds, "--workers", threads, "--output", result, *arguments)


def learning_curve(row, seed, threads, every):
    """{steps: summary} of the checkpoints at every `every` steps, with the row's first evaluation."""
    folder, (_, arguments), curve = train(row, ROWS[row][1], seed, threads), evaluations(row)[""], {}
    last = last_step(folder)
    for checkpoint in sorted((folder / "checkpoints").glob("step_*")):
        step = int(checkpoint.name.removeprefix("step_"))
        if step % every == 0:
            result = result_folder(row, "" if step == last else checkpoint.name, seed)
            evaluate_checkpoint(checkpoint, result, arguments, threads)
            curve[step] = json.loads((result / "summary.json").read_text())
    return curve


def wilson(successes, trials):
    """Wilson interval of a success rate at 95 %."""
    z, p = 1.959963984540054, successes / trials
    center = (p + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z * math.sqrt(p * (1 - p) / trials + z * z / (4 * trials**2)) / (1 + z * z / trials)
    return max(0.0, center - half), min(1.0, center + half)


def mcnemar(first, second):
    """Exact two-sided p-value for two lists of outcomes of the same episodes."""
    only_first = sum(a and not b for a, b in zip(first, second, strict=True))
    only_second = sum(b and not a for a, b in zip(first, second, strict=True))
    discordant = only_first + only_second
    if discordant == 0:
        return 1.0
    tail = sum(math.comb(discordant, k) for k in range(min(only_first, only_second) + 1))
    return min(1.0, 2 * tail / 2**discordant)


def training_minutes(row, seed):
    """Training time computed from the logged speed, so that pauses and repeated steps do not count."""
    if row == "state_pytorch":
        return None  # its time is not measured
    folder, total, last = run_folder(row, seed), 0.0, 0
    for line in (folder / "metrics.jsonl").read_text().splitlines():
        metrics = json.loads(line)
        if "train/steps_per_second" in metrics:
            total += (metrics["step"] - last) / metrics["train/steps_per_second"]
            last = metrics["step"]
    return total / 60


def read_rows():
    rows = []
    for row, (title, _, _) in ROWS.items():
        for evaluation, (own_title, _) in evaluations(row).items():
            pattern = result_folder(row, evaluation, "*")
            runs = {int(summary.parent.name.rpartition("_seed")[2]): json.loads(summary.read_text())
                    for summary in pattern.parent.glob(f"{pattern.name}/summary.json")}
            if runs:
                rows.append((row, own_title or title, runs))
    return rows


def success_cells(outcomes):
    low, high = wilson(sum(outcomes), len(outcomes))
    return f"{sum(outcomes)}/{len(outcomes)} | {100 * low:.0f} .. {100 * high:.0f} %"


def episode_seeds(summary):
    return [episode["seed"] for episode in summary["episodes"]]


def print_table():
    rows = read_rows()
    first = {}  # the first evaluation of each row
    for row, _, runs in rows:
        first.setdefault(row, runs)
    print("| policy | success | 95 % interval | highest reward, mean | p against IMF, 1 step | "
          "training, minutes | inference, ms per chunk |")
    print("|---|---|---|---|---|---|---|")
    for row, title, runs in rows:
        reference = first.get("state_imf" if row.startswith("state_") else "lewm_imf", {})
        outcomes = [e["success"] for seed in sorted(runs) for e in runs[seed]["episodes"]]
        reward = sum(s["mean_highest_reward"] for s in runs.values()) / len(runs)
        shared = sorted(seed for seed in set(runs) & set(reference)
                        if episode_seeds(runs[seed]) == episode_seeds(reference[seed]))
        p = "" if not shared or runs is reference else format(mcnemar(
            [e["success"] for seed in shared for e in runs[seed]["episodes"]],
            [e["success"] for seed in shared for e in reference[seed]["episodes"]]), ".2g")
        minutes = [m for m in (training_minutes(row, seed) for seed in runs) if m is not None]
        minutes = format(sum(minutes) / len(minutes), ".1f") if minutes else ""
        chunk = sum(s["plans"]["mean_ms"] for s in runs.values()) / len(runs)
        seeds = f" ({len(runs)} training runs)" if len(runs) > 1 else ""
        print(f"| {title}{seeds} | {success_cells(outcomes)} | {reward:.2f} | {p} | {minutes} | "
              f"{chunk:.1f} |")


def print_curve(title, curve):
    """Prints the success rate at each step, and for each stage how many episodes reached it or a later one."""
    last = max((episode["stage"] for summary in curve.values() for episode in summary["episodes"]),
               default=0)
    print(f"\n{title}\n\n| steps | success | 95 % interval |" + "".join(f" stage {s} |" for s in range(1, last + 1)))
    print("|---|---|---|" + "---|" * last)
    for step, summary in curve.items():
        episodes = summary["episodes"]
        stages = [sum(episode["stage"] >= stage for episode in episodes) for stage in range(1, last + 1)]
        print(f"| {step:,} | {success_cells([episode['success'] for episode in episodes])} |"
              + "".join(f" {reached} |" for reached in stages))


def for_each(rows, arguments, work):
    """Computes {(row, seed): work(row, seed)}, arguments.jobs at a time. The first failure cancels the others."""
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        works = {pool.submit(work, row, seed): (row, seed) for seed in arguments.seeds for row in rows}
        for done in concurrent.futures.as_completed(works):
            if done.exception() is not None:
                pool.shutdown(cancel_futures=True)
                raise done.exception()
        return {place: done.result() for done, place in works.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", choices=[[], *ROWS], metavar="ROW",
                        help="rows to run, one or more of " + ", ".join(ROWS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], help="training seeds")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--table", action="store_true", help="print the table without running anything")
    what.add_argument("--curve", type=int, metavar="STEPS", help="evaluate the checkpoints at every STEPS steps instead")
    parser.add_argument("--jobs", type=int, default=max(1, os.cpu_count() or 1), help="number of rows to run in parallel")
    parser.add_argument("--threads", type=int, default=1, help="threads per row; small heads gain little from more")
    arguments = parser.parse_args()
    if arguments.table:
        print_table()
        return
    if not ROBOIMI.exists():
        sys.exit(f"results.py: {ROBOIMI} is missing; run scripts/demo.sh first")
    rows = arguments.rows or list(ROWS)
    for folder in sorted({pathlib.Path(training_value("data.path", ROWS[row][1])) for row in rows}):
        collect_demonstrations(folder)
    if arguments.curve:
        threads, every = arguments.threads, arguments.curve
        curves = for_each(rows, arguments, lambda row, seed: learning_curve(row, seed, threads, every))
        for (row, seed), curve in curves.items():
            print_curve(f"{ROWS[row][0]}, seed {seed}", curve)
    else:
        for_each(rows, arguments, lambda row, seed: evaluate(row, seed, arguments.threads))
        print_table()


if __name__ == "__main__":
    main()
