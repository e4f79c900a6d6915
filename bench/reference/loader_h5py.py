"""PyTorch's DataLoader on HDF5 episodes, for bench/loader_bench.cpp.

For each line on stdin, "frames" or "features", loads BATCHES batches of random windows with two workers and prints the
seconds it took. Each worker opens the files once. A window has two observations and 16 actions, clamped to its episode.
"features" replaces the frames by FEATURES numbers per row from a file beside FOLDER, as stored features of a frozen
encoder.

    loader_h5py.py FOLDER BATCH BATCHES FEATURES
"""

import pathlib
import sys
import time

import h5py
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, RandomSampler

folder, batch, batches, width = pathlib.Path(sys.argv[1]), *map(int, sys.argv[2:5])
OBSERVATIONS, ACTIONS = 2, 16


def rows(table, first, count):
    """Rows [first, first + count); rows outside of the table repeat its first or last one."""
    begin, end = max(first, 0), min(first + count, len(table))
    values = table[begin:end]
    if end - begin < count:
        values = np.concatenate([values[:1].repeat(begin - first, 0), values, values[-1:].repeat(first + count - end, 0)])
    return torch.from_numpy(values)


class Windows(Dataset):
    def __init__(self, files, names):
        self.files, self.names, self.opened = files, names, {}
        self.windows = []
        for number, file in enumerate(files):
            with h5py.File(file) as episode:
                self.windows += [(number, row) for row in range(len(episode["action"]))]

    def __len__(self):
        return len(self.windows)

    def __getitem__(self, index):
        number, row = self.windows[index]
        if number not in self.opened:
            self.opened[number] = h5py.File(self.files[number])
        file, first = self.opened[number], row - OBSERVATIONS + 1
        window = {name: rows(file[name], first, OBSERVATIONS) for name in self.names}
        window["action"] = rows(file["action"], first, ACTIONS)
        return window


def write_features(files):
    """A file of features for each episode, with its states and actions."""
    generator, written = np.random.default_rng(1), []
    for file in files:
        written.append(folder.parent / f"features_{file.stem}.hdf5")
        with h5py.File(file) as episode, h5py.File(written[-1], "w") as target:
            for name in ("observations/qpos", "action"):
                target[name] = episode[name][:]
            target["features"] = generator.normal(size=(len(episode["action"]), width)).astype(np.float32)
    return written


def loader_of(files, names):
    windows = Windows(files, names)
    sampler = RandomSampler(windows, replacement=True, num_samples=batch * batches)
    return DataLoader(windows, batch, sampler=sampler, num_workers=2, persistent_workers=True)


episodes = sorted(folder.glob("episode_*.hdf5"))
with h5py.File(episodes[0]) as example:
    cameras = [f"observations/images/{camera}" for camera in example["observations/images"]]
loaders = {
    "frames": loader_of(episodes, ["observations/qpos", *cameras]),
    "features": loader_of(write_features(episodes), ["observations/qpos", "features"]),
}
for word in sys.stdin:
    begin = time.perf_counter()
    for _ in loaders[word.strip()]:
        pass
    print(time.perf_counter() - begin, flush=True)
