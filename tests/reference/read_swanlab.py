"""Reads the offline files of a run's followers with SwanLab's own reader and prints their contents as JSON."""
import json
import pathlib
import sys

import yaml
from PIL import Image
from swanlab.proto.swanlab.record.v1.record_pb2 import Record
from swanlab.proto.swanlab.run.v1.run_pb2 import RunState
from swanlab.sdk.internal.core_python.store import DataStoreError, DataStoreReader


def records_of(file):
    """The records of a file, up to a truncated end, which the package reports with these exceptions."""
    reader = DataStoreReader()
    reader.open(file)
    try:
        while (data := reader.scan()) is not None:
            yield Record.FromString(data)
    except (AssertionError, DataStoreError, IndexError):
        return


found = {"experiments": [], "names": [], "ends": [], "scalars": {}, "images": {}, "config": {}}
for file in sorted(pathlib.Path(sys.argv[1]).glob("run-*/*.swanlab")):
    for record in records_of(file):
        if record.HasField("start"):
            found["experiments"].append(record.start.id)
            found["names"].append(record.start.name)
        elif record.HasField("finish"):
            found["ends"].append(RunState.Name(record.finish.state))
        elif record.HasField("scalar") and not record.scalar.key.startswith("__swanlab__"):
            found["scalars"].setdefault(record.scalar.key, []).append([record.scalar.step, record.scalar.value.number])
        elif record.HasField("media"):
            for item in record.media.value.items:
                with Image.open(file.parent / "media" / "image" / item.filename) as kept:
                    found["images"].setdefault(record.media.key, []).append([record.media.step, *kept.size])
    found["config"] = {key: entry["value"] for key, entry in
                       yaml.safe_load((file.parent / "files" / "config.yaml").read_text()).items()}
print(json.dumps(found))
