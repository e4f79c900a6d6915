"""Small training runs with their data, and comparisons of a continued run with an uninterrupted one."""

import json
import pathlib
import re
import struct

import h5py
import numpy as np

from lab import ROOT

ENCODER = ROOT / "tests/golden/lewm_vit/lewm4.safetensors"
CAMERAS = ("front", "r_vis", "top")
# Fields that depend on the clock.
TIMINGS = {"time", "train/data_ms", "train/steps_per_second", "rollout/inference_ms", "rollout/loop_total_ms",
           "inference_ms", "loop_total_ms"}
# Log lines, rollouts and checkpoints happen at different steps.
STEPS, LOG_EVERY, SAVE_EVERY, ROLLOUT_EVERY = 40, 3, 4, 20


def write_episode(path, seed, rows=12, size=32, compression=None):
    """Writes an episode of random values with the shapes of sim_transfer."""
    rng = np.random.default_rng(seed)
    with h5py.File(path, "w") as file:
        file.attrs.update({"sim": True, "success": True, "seed": np.uint64(seed), "control_hz": 20.0})
        file["action"] = rng.random((rows, 16), dtype="f4")
        observations = file.create_group("observations")
        observations["env_state"] = rng.random((rows, 7), dtype="f4")
        for name in ("qpos", "qvel"):
            observations[name] = rng.random((rows, 16), dtype="f4")
        for camera in CAMERAS:
            frames = rng.integers(0, 255, (rows, size, size, 3), dtype="u1")
            observations.create_dataset(f"images/{camera}", data=frames, chunks=(1, size, size, 3),
                                        compression=compression)


def write_data(folder, episodes=3, **options):
    folder.mkdir(parents=True)
    for episode in range(episodes):
        write_episode(folder / f"episode_{episode}.hdf5", episode, **options)
    return folder


def training(data, output, steps=STEPS, name="tiny"):
    """Command of a training of 5,000 parameters that uses only the state."""
    return ["run", "--config", "lewm_imf_attnres.yaml", "agent=state_imf_attnres", *TINY_HEAD, f"data.path={data}",
            f"output_dir={output}", f"name={name}", f"train.max_steps={steps}", "train.batch_size=4",
            "train.warmup_steps=1", "train.threads=1", f"train.log_every={LOG_EVERY}", f"train.save_every={SAVE_EVERY}",
            f"train.rollout_every={ROLLOUT_EVERY}", "train.rollout_num_episodes=1", "train.rollout_num_videos=0",
            "env.image_height=32", "env.image_width=32", "env.max_steps=4", "device=cpu"]


TINY_HEAD = ["agent.head.n_emb=16", "agent.head.n_layer=1", "agent.head.n_head=2", "agent.pred_horizon=4",
             "agent.num_action_steps=2"]


def camera_training(data, output, encoder=ENCODER, steps=8):
    """Command of a training on the embeddings of a small frozen encoder."""
    return ["run", "--config", "lewm_imf_attnres.yaml", *TINY_HEAD, *encoder_options(encoder), f"data.path={data}",
            f"output_dir={output}", f"train.max_steps={steps}", "train.batch_size=4", "train.warmup_steps=1",
            "train.threads=1", "train.log_every=1", "train.save_every=2", "train.rollout_num_episodes=0", "device=cpu"]


def encoder_options(encoder):
    return [f"agent.backbone.checkpoint={encoder}", "agent.backbone.image_height=32", "agent.backbone.image_width=96",
            "agent.head.cond_dim=48"]


def encoding(data, place, out="out.safetensors", encoder=ENCODER):
    """Command of an encoding that writes the file `out` and the folder `cache` into a folder."""
    return ["encode", "--config", "lewm_imf_attnres.yaml", *encoder_options(encoder), f"data.path={data}", "--out",
            f"{place}/{out}", f"cache.folder={place}/cache", "cache.block_size=4"]


def collection(output, episodes=2):
    """Command of a collection of small images with two workers."""
    return ["collect", "--config", "collect_sim_transfer.yaml", "env.camera_names=[top]", "env.image_height=16",
            "env.image_width=16", f"collect.output={output}", f"collect.num_episodes={episodes}", "collect.workers=2"]


def only_run(output):
    """The run folder under `output`, or None."""
    folders = [path for path in sorted(output.iterdir()) if path.is_dir()] if output.is_dir() else []
    return folders[-1] if folders else None


def whole_checkpoints(run):
    """The checkpoints of a run under their final names, oldest first."""
    return sorted(path.parent for path in run.glob("checkpoints/step_*/state.json") if not path.parent.is_symlink())


def logged_steps(run):
    """The current number of lines in metrics.jsonl."""
    file = run / "metrics.jsonl" if run else None
    return file.read_bytes().count(b"\n") if file and file.exists() else 0


# ---- Comparison --------------------------------------------------------------------------------


def read_tensors(path):
    """{name: (dtype, shape, bytes)} of a safetensors file."""
    data = pathlib.Path(path).read_bytes()
    (size,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8:8 + size])
    header.pop("__metadata__", None)
    body = data[8 + size:]
    return {name: (entry["dtype"], tuple(entry["shape"]), body[slice(*entry["data_offsets"])])
            for name, entry in header.items()}


def without_timings(node):
    if isinstance(node, dict):
        return {name: without_timings(value) for name, value in node.items() if name not in TIMINGS}
    return [without_timings(value) for value in node] if isinstance(node, list) else node


def read_metrics(path):
    return [without_timings(json.loads(line)) for line in path.read_text().splitlines()]


def metrics_differences(expected, found):
    """Yields one string for each kind of difference from the metrics of the uninterrupted run."""
    wrong = {}
    for step in sorted({line["step"] for line in expected + found}):
        there, here = ([line for line in lines if line["step"] == step] for lines in (expected, found))
        if there != here:
            kind = ("different values" if len(there) == len(here) else
                    "missing lines" if len(here) < len(there) else "duplicate lines")
            wrong.setdefault(kind, []).append(step)
    for kind, steps in wrong.items():
        yield f"metrics.jsonl: {kind} at {len(steps)} steps, the first is {steps[0]}"
    if sorted(found, key=lambda line: line["step"]) != found:
        yield "metrics.jsonl: the steps are out of order"


def tensor_differences(expected, found):
    """Yields one string for each file of weights that is not bit-exactly equal."""
    for path in sorted(expected.glob("*.safetensors")):
        if not (found / path.name).exists():
            yield f"{found.name}/{path.name} is missing"
            continue
        there, here = read_tensors(path), read_tensors(found / path.name)
        other = [name for name in {**there, **here} if there.get(name) != here.get(name)]
        if other:
            yield f"{found.name}/{path.name}: {len(other)} tensors differ, including {other[0]}"


def leftovers(folder):
    """Temporary files that should exist only while a process works, except locks."""
    names = [path for path in folder.rglob(".*") if "lock" not in path.name]
    return [f"left behind: {path.relative_to(folder)}" for path in sorted(names)]


def run_differences(expected, found):
    """Yields one string for each difference between a continued run and an uninterrupted one."""
    names = [[path.name for path in whole_checkpoints(run)] for run in (expected, found)]
    if names[0] != names[1]:
        yield f"checkpoints are {names[1]}, expected {names[0]}"
        return
    last = names[0][-1]
    yield from tensor_differences(expected / "checkpoints" / last, found / "checkpoints" / last)
    states = [without_timings(json.loads((run / "checkpoints" / last / "state.json").read_text()))
              for run in (expected, found)]
    for key in sorted(set(states[0]) | set(states[1])):
        # Checksums depend on timings and on the folder's name, so ignore them.
        if "sha256" not in key and states[0].get(key) != states[1].get(key):
            yield f"{last}/state.json: '{key}' differs"
    yield from metrics_differences(*(read_metrics(run / "metrics.jsonl") for run in (expected, found)))
    for link in ("latest", "best"):
        targets = [(run / "checkpoints" / link).resolve().name for run in (expected, found)]
        if targets[0] != targets[1]:
            yield f"checkpoints/{link} is {targets[1]}, expected {targets[0]}"
    yield from leftovers(found)


def files_below(folder):
    """{relative path: bytes} of all files except locks."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*"))
            if path.is_file() and "lock" not in path.name}


def file_differences(expected, found):
    """Yields one string for each file that is not byte-identical."""
    there, here = files_below(expected), files_below(found)
    for name in sorted(set(there) | set(here)):
        if there.get(name) != here.get(name):
            state = "missing" if name not in here else "unexpected" if name not in there else "different"
            yield f"{name}: {state}"


def run_again(lab, label, commands, differences):
    """Runs commands that must succeed. Yields one string for each failure: of a command, or from `differences()`."""
    for words in commands:
        ended = lab.run(*words)
        if ended.status != 0:
            yield f"{label}: then '{words[0]}' ends with {ended.summary()}"
            return
    yield from (f"{label}: {text}" for text in differences())


def errors_with_process(ended, pid):
    """Whether the error line contains this process ID."""
    return re.search(rf"\b{pid}\b", ended.last_line) is not None
