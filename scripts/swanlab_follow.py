#!/usr/bin/env python3
"""Logs a run to SwanLab by following its folder: the scalars in metrics.jsonl, the images of its rollouts and
validations, and its resolved configuration.

    scripts/swanlab_follow.py RUN_FOLDER                  until the run ends; also for a run that has ended
    scripts/swanlab_follow.py RUN_FOLDER --mode cloud     with the account from `swanlab login`
    swanlab sync RUN_FOLDER/swanlab/run-*                 uploads offline data later

`roboimi run ... track.swanlab=offline` starts it beside the run, which neither waits for it nor depends on it. The
experiment's URL is written to RUN_FOLDER/tracker.json, and from there to run.json. Started again, it continues where it
stopped: offline it reads which values its own files already have, in the cloud the package skips existing steps.
"""
import argparse
import fcntl
import json
import os
import re
import secrets
import shutil
import signal
import socket
import sys
import threading
from pathlib import Path

POLL_SECONDS = 1.0
MISSING, REFUSED = 3, 4  # exit statuses: no package; no account, or a wrong name

stopping = threading.Event()


def say(text):
    print(f"swanlab_follow.py: {text}", flush=True)


def read_json(file):
    """The JSON object in a file; {} if the file is missing or invalid."""
    try:
        return json.loads(file.read_text())
    except (FileNotFoundError, ValueError):
        return {}


def write_json(file, values):
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    temporary.write_text(json.dumps(values, indent=2) + "\n")
    temporary.replace(file)


# ---- State of the run ----------------------------------------------------------------------------------------------


def started_ticks(pid):
    """Start time of a live process on this machine in kernel clock ticks; None if there is no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def is_lost(record, written):
    """Whether the process of a record with status "running", written at time `written`, is gone from this machine."""
    began = started_ticks(record["pid"])
    if began is None:
        return True
    if start := record.get("process_start"):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return (began, boot) != (start["ticks"], start["boot_id"])
    # A record of an older version has no start time. A process that began after it was written is a different one
    # with the same ID. The slack allows for clock changes.
    clock_slack = 60
    boot = int(re.search(r"^btime (\d+)", Path("/proc/stat").read_text(), re.MULTILINE)[1])
    return boot + began / os.sysconf("SC_CLK_TCK") > written + clock_slack


def end_of(folder, pid):
    """How the run of process `pid` ended, as a string; None while it runs."""
    record = read_json(folder / "run.json")
    if record.get("pid") != pid:
        return "continued by another process"
    if record["status"] != "running":
        return record["status"]
    if record["host"] != socket.gethostname():
        return None  # processes of another machine cannot be checked
    return "lost" if is_lost(record, (folder / "run.json").stat().st_mtime) else None


class MetricLines:
    """Reads each complete line of metrics.jsonl once. Starts over if a resumed run replaces it with a shorter file."""

    def __init__(self, file):
        self.file, self.inode, self.offset = file, None, 0

    def new_rows(self):
        try:
            stream = self.file.open("rb")
        except FileNotFoundError:
            return
        with stream:
            status = os.fstat(stream.fileno())
            if status.st_ino != self.inode or status.st_size < self.offset:
                self.inode, self.offset = status.st_ino, 0
            stream.seek(self.offset)
            for line in stream:
                if not line.endswith(b"\n"):
                    return  # still being written
                self.offset += len(line)
                try:
                    row = json.loads(line)
                    yield int(row["step"]), row
                except (ValueError, KeyError, TypeError):
                    say(f"skipping an invalid line of metrics: {line[:100]!r}")


def images_of(folder):
    """(step, name, file) of all images of a run. Files are complete, because the run renames them into place."""
    for parent, prefix in (("rollouts", "rollout"), ("validation", "validation")):
        for file in sorted(folder.glob(f"{parent}/step_*/[!.]*.png")):
            yield int(file.parent.name.removeprefix("step_")), f"{prefix}/{file.stem}", file


def read_config(file):
    import yaml

    # Read scalars as roboimi does. PyYAML follows YAML 1.1, which reads 1e-05 as a string and `off` as a Boolean.
    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers = {}

    for kind, pattern in (("null", r"~|null|Null|NULL|"), ("bool", r"true|True|TRUE|false|False|FALSE"),
                          ("int", r"[-+]?\d+"), ("float", r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")):
        Loader.add_implicit_resolver(f"tag:yaml.org,2002:{kind}", re.compile(f"({pattern})$"), None)
    return yaml.load(file.read_text(), Loader)


# ---- SwanLab ---------------------------------------------------------------------------------------------------------


def problem_with(mode, project):
    """(reason, exit status) if SwanLab cannot be used here; (None, 0) if it can."""
    if not re.fullmatch(r"[0-9A-Za-z_.+-]{1,100}", project):
        return f"'{project}' is not a valid project name: expected up to 100 letters, digits and _ . + -", REFUSED
    try:
        import swanlab
    except ModuleNotFoundError as error:
        return str(error), MISSING
    except Exception as error:  # installed, but incompatible with other packages
        return f"SwanLab's package cannot be loaded: {error}", MISSING
    if mode == "cloud" and not swanlab.Settings(interactive=False).api_key:
        return "not logged in to SwanLab: run 'swanlab login', or use mode offline", REFUSED
    return None, 0


def records_of(file):
    """The records of a .swanlab file, up to a truncated end."""
    from swanlab.proto.swanlab.record.v1.record_pb2 import Record
    from swanlab.sdk.internal.core_python.store import DataStoreError, DataStoreReader

    reader = DataStoreReader()
    try:
        reader.open(file)
        while (data := reader.scan()) is not None:
            yield Record.FromString(data)
    except (AssertionError, DataStoreError, IndexError):
        pass  # the package reports an unfinished file this way


def logged_offline(store):
    """(name, step) of all values that earlier followers saved in `store`.

    The package writes in blocks, so after a kill a file may contain less than was logged. Folders without any record are
    removed, because there is nothing to upload.
    """
    logged = set()
    for folder in sorted(store.glob("run-*")):
        records = [record for file in folder.glob("*.swanlab") for record in records_of(file)]
        if not records:
            shutil.rmtree(folder)
        for record in records:
            for kind in ("scalar", "media"):
                if record.HasField(kind):
                    logged.add((getattr(record, kind).key, getattr(record, kind).step))
    return logged


def open_run(folder, store, mode, project, name):
    """Starts or continues the run's experiment, and writes its URL to tracker.json."""
    import swanlab

    tracker = folder / "tracker.json"
    known = read_json(tracker)
    known.setdefault("id", secrets.token_hex(8))
    known |= {"tracker": "swanlab", "mode": mode, "project": project}
    # Save the ID before the experiment exists, so that a follower killed now does not create a second experiment.
    write_json(tracker, known)
    run = swanlab.init(
        mode="online" if mode == "cloud" else "offline", project=project, name=name, description=folder.name,
        id=known["id"], resume="allow", log_dir=str(store), config=read_config(folder / "config.yaml"),
        # Do not record this process's output and packages: they do not belong to the run.
        settings=swanlab.Settings(interactive=False, terminal={"proxy_type": "none"},
                                  probe={"requirements": False, "git": False, "runtime": False}))
    write_json(tracker, known | {"url": run.url if mode == "cloud" else str(store)})
    return run


def log_new_values(folder, lines, run, logged):
    """Logs the scalars and images that were added since the last call."""
    import swanlab

    for step, row in lines.new_rows():
        values = {name: value for name, value in row.items()
                  if name not in ("step", "time") and isinstance(value, (int, float)) and (name, step) not in logged}
        logged.update((name, step) for name in values)
        if values:
            run.log(values, step=step)
    for step, name, file in images_of(folder):
        if (name, step) not in logged:
            logged.add((name, step))
            run.log({name: swanlab.Image(str(file))}, step=step)


def follow(folder, mode, project):
    record = read_json(folder / "run.json")
    store = folder / "swanlab"
    if store.is_symlink():
        sys.exit(f"swanlab_follow.py: {store}: a link where a folder is expected: remove it")
    store.mkdir(exist_ok=True)
    with (store / "lock").open("w") as lock:
        # If this run was resumed, the follower of the earlier process may not have ended yet.
        fcntl.flock(lock, fcntl.LOCK_EX)
        logged = logged_offline(store) if mode == "offline" else set()
        run = open_run(folder, store, mode, project, record.get("name") or folder.name)
        # Replace the package's signal handlers, so that all available values are logged before the end.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopping.set())
        say(f"following {folder}; {len(logged)} values were already logged")
        lines = MetricLines(folder / "metrics.jsonl")
        end = None
        while end is None:
            # Check for the end first, so that the run's last values are still logged.
            end = "stopped by a signal" if stopping.is_set() else end_of(folder, record["pid"])
            log_new_values(folder, lines, run, logged)
            if end is None:
                stopping.wait(POLL_SECONDS)
        say(f"the run ended: {end}")
        if end == "finished":
            run.finish()
        elif end == "lost" or end.startswith("failed"):
            run.finish(state="crashed", error=end)
        else:
            run.finish(state="aborted", error=end)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run_folder", nargs="?", type=Path)
    parser.add_argument("--mode", choices=("offline", "cloud"), default="offline")
    parser.add_argument("--project", default="roboimi")
    parser.add_argument("--check", action="store_true",
                        help="only print the path of this Python, or why SwanLab cannot be used with it")
    arguments = parser.parse_args()
    folder = arguments.run_folder
    if not arguments.check and (folder is None or not (folder / "run.json").is_file()):
        sys.exit(f"swanlab_follow.py: {folder or 'no folder given'}: expected a run folder that contains run.json")
    problem, status = problem_with(arguments.mode, arguments.project)
    if arguments.check:
        print(problem or sys.executable)
        return status
    if problem:
        hint = ": run scripts/setup.sh --swanlab, then use .venv/bin/python" if status == MISSING else ""
        sys.exit(f"swanlab_follow.py: {problem}{hint}")
    os.nice(10)
    follow(folder.resolve(), arguments.mode, arguments.project)
    return 0


if __name__ == "__main__":
    sys.exit(main())
