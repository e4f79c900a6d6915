"""Tables of robot episodes with pyarrow on one thread, for bench/parquet_bench.cpp.

Writes FILE. Then, for each line on stdin, "read" or "write", reads FILE or writes it again and prints the seconds it
took.

    parquet_pyarrow.py FILE ROWS ROWS_PER_GROUP
"""

import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

file, rows, group = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
pa.set_cpu_count(1)
pa.set_io_thread_count(1)
generator = np.random.default_rng(1)
index = np.arange(rows)


def vectors():
    """A random walk of 14 joints, as lists of float."""
    walk = np.cumsum(generator.normal(0, 0.01, (rows, 14)), 0).astype(np.float32)
    return pa.ListArray.from_arrays(pa.array(np.arange(rows + 1, dtype=np.int32) * 14), pa.array(walk.ravel()))


table = pa.table(
    {
        "observation.state": vectors(),
        "action": vectors(),
        "timestamp": pa.array((index % group / 50).astype(np.float32)),
        "frame_index": pa.array(index % group),
        "episode_index": pa.array(index // group),
        "index": pa.array(index),
        "task_index": pa.array(index // group % 3),
    }
)


def write(path):
    pq.write_table(table, path, row_group_size=group)


write(file)
for word in sys.stdin:
    begin = time.perf_counter()
    if word.strip() == "read":
        pq.read_table(file, use_threads=False)
    else:
        write(file + ".pyarrow")
    print(time.perf_counter() - begin, flush=True)
