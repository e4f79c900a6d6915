"""lerobot's own dataset in PyTorch's DataLoader, for bench/loader_bench.cpp.

For each line on stdin, loads BATCHES batches of random windows with two workers and prints the seconds it took. A window
has two observations and 16 actions. lerobot's default decoder (torchcodec) decodes the frames, and they are float32.

    loader_lerobot.py FOLDER BATCH BATCHES
"""

import os
import sys
import time

os.environ["HF_HUB_OFFLINE"] = "1"

from lerobot.datasets.lerobot_dataset import LeRobotDataset, LeRobotDatasetMetadata  # noqa: E402
from torch.utils.data import DataLoader, RandomSampler  # noqa: E402

folder, batch, batches = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
OBSERVATIONS, ACTIONS = 2, 16


def offsets(count, fps):
    """The times of a window's rows relative to the present one."""
    return [(i - OBSERVATIONS + 1) / fps for i in range(count)]


meta = LeRobotDatasetMetadata("local/loader_bench", root=folder)
times = {name: offsets(OBSERVATIONS, meta.fps) for name in [*meta.camera_keys, "observation.state"]}
dataset = LeRobotDataset("local/loader_bench", root=folder, delta_timestamps=times | {"action": offsets(ACTIONS, meta.fps)})
sampler = RandomSampler(dataset, replacement=True, num_samples=batch * batches)
loader = DataLoader(dataset, batch, sampler=sampler, num_workers=2, persistent_workers=True)
for _ in sys.stdin:
    begin = time.perf_counter()
    for _ in loader:
        pass
    print(time.perf_counter() - begin, flush=True)
