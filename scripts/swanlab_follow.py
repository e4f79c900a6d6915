#!/usr/bin/env python3
"""Shows a run in SwanLab by following its folder: the scalars of metrics.jsonl, the pictures of its rollouts and
validations, its resolved configuration.

    scripts/swanlab_follow.py RUN_FOLDER                  to the run's end; or a run that has ended
    scripts/swanlab_follow.py RUN_FOLDER --mode cloud     with the account of `swanlab login`
    swanlab sync RUN_FOLDER/swanlab/run-*                 sends later what was kept offline

`roboimi run ... track.swanlab=offline` starts it beside the run, which neither waits for it nor needs it. Where the
run is shown goes to RUN_FOLDER/tracker.json, and from there into run.json. Started again, it goes on where it left
off: offline it reads what its own files hold already, in the cloud the package passes over the steps that are there.
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
    """The object in a file; {} where there is none."""
    try:
        return json.loads(file.read_text())
    except (FileNotFoundError, ValueError):
        return {}


def write_json(file, values):
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    temporary.write_text(json.dumps(values, indent=2) + "\n")
    temporary.replace(file)


# ---- How far the run is ----------------------------------------------------------------------------------------------


def started_ticks(pid):
    """When a living process of this machine began, as the kernel counts; None when there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def is_lost(record, written):
    """Whether the process of a record that says "running", written at a time, is gone from this machine."""
    began = started_ticks(record["pid"])
    if began is None:
        return True
    if start := record.get("process_start"):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return (began, boot) != (start["ticks"], start["boot_id"])
    # An older record. A later process of that number is another one; the clock may have been set since.
    clock_slack = 60
    boot = int(re.search(r"^btime (\d+)", Path("/proc/stat").read_text(), re.MULTILINE)[1])
    return boot + began / os.sysconf("SC_CLK_TCK") > written + clock_slack


def end_of(folder, pid):
    """How the run of process `pid` ended, in words; None while it runs."""
    record = read_json(folder / "run.json")
    if record.get("pid") != pid:
        return "continued by another process"
    if record["status"] != "running":
        return record["status"]
    if record["host"] != socket.gethostname():
        return None  # its processes cannot be seen from here
    return "lost" if is_lost(record, (folder / "run.json").stat().st_mtime) else None


class MetricLines:
    """The whole lines of metrics.jsonl, each once; all of them again when a resumed run puts a shorter file there."""

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
                    say(f"passed over a line that is no metrics: {line[:100]!r}")


def pictures(folder):
    """(step, name, file) of all pictures there are; each is written whole, by renaming."""
    for parent, prefix in (("rollouts", "rollout"), ("validation", "validation")):
        for file in sorted(folder.glob(f"{parent}/step_*/[!.]*.png")):
            yield int(file.parent.name.removeprefix("step_")), f"{prefix}/{file.stem}", file


def read_config(file):
    import yaml

    # As roboimi reads it. YAML 1.1, which PyYAML follows, takes 1e-05 for a text and `off` for a truth value.
    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers = {}

    for kind, pattern in (("null", r"~|null|Null|NULL|"), ("bool", r"true|True|TRUE|false|False|FALSE"),
                          ("int", r"[-+]?\d+"), ("float", r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")):
        Loader.add_implicit_resolver(f"tag:yaml.org,2002:{kind}", re.compile(f"({pattern})$"), None)
    return yaml.load(file.read_text(), Loader)


# ---- SwanLab ---------------------------------------------------------------------------------------------------------


def problem_with(mode, project):
    """Why SwanLab cannot be used here, with an exit status; (None, 0) when it can."""
    if not re.fullmatch(r"[0-9A-Za-z_.+-]{1,100}", project):
        return f"'{project}' is no project's name: expected up to 100 letters, digits and _ . + -", REFUSED
    try:
        import swanlab
    except ModuleNotFoundError as error:
        return str(error), MISSING
    except Exception as error:  # it is there, but does not fit what else is there
        return f"SwanLab's package cannot be loaded: {error}", MISSING
    if mode == "cloud" and not swanlab.Settings(interactive=False).api_key:
        return "no account is known here: run 'swanlab login', or take mode offline", REFUSED
    return None, 0


def records_of(file):
    """The records of a .swanlab file, up to a torn end."""
    from swanlab.proto.swanlab.record.v1.record_pb2 import Record
    from swanlab.sdk.internal.core_python.store import DataStoreError, DataStoreReader

    reader = DataStoreReader()
    try:
        reader.open(file)
        while (data := reader.scan()) is not None:
            yield Record.FromString(data)
    except (AssertionError, DataStoreError, IndexError):
        pass  # how the package tells of a file that was not finished


def logged_offline(store):
    """(name, step) of all that earlier followers kept in `store`. The package writes in blocks: after a kill a file may
    hold less than was logged, or nothing; such a one is removed, since nothing could be sent of it."""
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
    """Begins or continues the run's experiment, and says in tracker.json where it is."""
    import swanlab

    tracker = folder / "tracker.json"
    known = read_json(tracker)
    known.setdefault("id", secrets.token_hex(8))
    known |= {"tracker": "swanlab", "mode": mode, "project": project}
    # Before the experiment exists: one that is killed now must not begin another.
    write_json(tracker, known)
    run = swanlab.init(
        mode="online" if mode == "cloud" else "offline", project=project, name=name, description=folder.name,
        id=known["id"], resume="allow", log_dir=str(store), config=read_config(folder / "config.yaml"),
        # What this process prints and the packages around it are not the run's.
        settings=swanlab.Settings(interactive=False, terminal={"proxy_type": "none"},
                                  probe={"requirements": False, "git": False, "runtime": False}))
    write_json(tracker, known | {"url": run.url if mode == "cloud" else str(store)})
    return run


def show_news(folder, lines, run, logged):
    """Logs what has come since the last time."""
    import swanlab

    for step, row in lines.new_rows():
        values = {name: value for name, value in row.items()
                  if name not in ("step", "time") and isinstance(value, (int, float)) and (name, step) not in logged}
        logged.update((name, step) for name in values)
        if values:
            run.log(values, step=step)
    for step, name, file in pictures(folder):
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
        # The follower of the process that this run is resumed from may not have ended yet.
        fcntl.flock(lock, fcntl.LOCK_EX)
        logged = logged_offline(store) if mode == "offline" else set()
        run = open_run(folder, store, mode, project, record.get("name") or folder.name)
        # In place of the package's handlers: what is there is shown before the end.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopping.set())
        say(f"follows {folder}; {len(logged)} values were there before")
        lines = MetricLines(folder / "metrics.jsonl")
        end = None
        while end is None:
            # Asked first, so that what the run wrote last is seen.
            end = "told to stop" if stopping.is_set() else end_of(folder, record["pid"])
            show_news(folder, lines, run, logged)
            if end is None:
                stopping.wait(POLL_SECONDS)
        say(f"the end: {end}")
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
                        help="only print this Python's path, or why SwanLab cannot be used with it")
    arguments = parser.parse_args()
    folder = arguments.run_folder
    if not arguments.check and (folder is None or not (folder / "run.json").is_file()):
        sys.exit(f"swanlab_follow.py: {folder or 'no folder named'}: expected the folder of a run, with its run.json")
    problem, status = problem_with(arguments.mode, arguments.project)
    if arguments.check:
        print(problem or sys.executable)
        return status
    if problem:
        hint = ": run scripts/setup.sh --swanlab, then take .venv/bin/python" if status == MISSING else ""
        sys.exit(f"swanlab_follow.py: {problem}{hint}")
    os.nice(10)
    follow(folder.resolve(), arguments.mode, arguments.project)
    return 0


if __name__ == "__main__":
    sys.exit(main())
