"""Writes expected.json: what pyarrow and PyAV read from set/.

    pip install pyarrow av && python tests/golden/lerobot/expected.py

set/ was written by lerobot 0.6.1 (LeRobotDataset.create, add_frame, save_episode; libx264, g=2, crf=30): three
episodes of 40 rows at 50 fps, state and action of 14 elements, two tasks. Two of its three cameras and stats.json,
which roboimi does not read, are left out.
"""

import json
import pathlib

import av
import pyarrow.parquet

FOLDER = pathlib.Path(__file__).parent
CAMERA = "observation.images.front"
POINTS = [(8, 8), (24, 40), (48, 48), (60, 20), (80, 88)]  # row, column

rows = pyarrow.parquet.read_table(FOLDER / "set/data/chunk-000/file-000.parquet").to_pylist()
texts = pyarrow.parquet.read_table(FOLDER / "set/meta/tasks.parquet").to_pylist()
task_of = {row["task_index"]: row["task"] for row in texts}
table = pyarrow.parquet.read_table(FOLDER / "set/meta/episodes/chunk-000/file-000.parquet").to_pylist()
video = av.open(str(FOLDER / f"set/videos/{CAMERA}/chunk-000/file-000.mp4"))
frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]

episodes = []
for entry in table:
    own = [row for row in rows if row["episode_index"] == entry["episode_index"]]
    first = round(entry[f"videos/{CAMERA}/from_timestamp"] * 50)
    episodes.append({
        "length": len(own),
        "task": task_of[own[0]["task_index"]],
        "state_row_7": own[7]["observation.state"],
        "last_action": own[-1]["action"],
        "pixels": [[frames[first + t][point].tolist() for point in POINTS] for t in range(len(own))],
    })
(FOLDER / "expected.json").write_text(json.dumps({"points": POINTS, "episodes": episodes}) + "\n")
