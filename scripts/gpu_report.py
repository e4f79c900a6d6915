#!/usr/bin/env python3
"""Evaluates roboimi's output files for the GPU scripts: speeds, comparisons, rows for docs/gpu.md, weights.

    scripts/gpu_report.py speed RUN_FOLDER              # steps per second, without the first window
    scripts/gpu_report.py compare RUN_FOLDER RUN_FOLDER # losses side by side; status 1 if they differ
    scripts/gpu_report.py calls WORK FEWER MORE STEPS   # CUDA runtime calls per step
    scripts/gpu_report.py check WORK OUTPUT             # writes gpu_check.md and gpu_check.json
    scripts/gpu_report.py mission WORK SUITE OUTPUT DECISION  # writes mission.md
    scripts/gpu_report.py half CHECKPOINT OUTPUT        # the averaged weights in fp16, in parts below 16 MiB
    scripts/gpu_report.py whole PART... --output FILE   # joins the parts

Needs only Python; `half` also needs torch.
"""

import argparse
import datetime
import json
import pathlib
import re
import statistics
import struct
import sys

PART = 15 * 2**20  # bytes
# Largest relative differences of losses that rounding can explain: in the first fifth of the steps, and overall.
EARLY, LATE = 1e-3, 2e-2


def metrics_of(run):
    file = pathlib.Path(run) / "metrics.jsonl"
    if not file.exists():
        return []
    rows = [json.loads(line) for line in file.read_text().splitlines() if line.startswith("{")]
    return [row for row in rows if "train/loss" in row]


def speed_of(run):
    """Median steps per second of the log windows after the first, which includes warm-up and graph capture."""
    rates = [row["train/steps_per_second"] for row in metrics_of(run) if "train/steps_per_second" in row]
    return statistics.median(rates[1:] or rates) if rates else None


def command_speed(arguments):
    speed = speed_of(arguments.run) if arguments.run else None
    if arguments.number:
        print(speed or 0)
        return
    if speed is None:
        print("no speed: the run has logged no speed")
        return
    last = metrics_of(arguments.run)[-1]
    print(f"{1e3 / speed:.2f} ms per step, {speed:.1f} steps/s, loss {last['train/loss']:.4f} at step {last['step']}")


def command_compare(arguments):
    first, second = (
        {row["step"]: row["train/loss"] for row in metrics_of(run)} for run in (arguments.first, arguments.second)
    )
    steps = sorted(set(first) & set(second))
    if not steps:
        raise SystemExit("gpu_report.py compare: expected two runs with losses logged at the same steps, found none")
    differences = {step: abs(first[step] - second[step]) / max(abs(second[step]), 1e-12) for step in steps}
    print("| step | loss, one graph | loss, eager | relative difference |\n|---|---|---|---|")
    for step in steps[:: max(1, len(steps) // 10)] + (
        [steps[-1]] if steps[-1] not in steps[:: max(1, len(steps) // 10)] else []
    ):
        print(f"| {step} | {first[step]:.7f} | {second[step]:.7f} | {differences[step]:.1e} |")
    early = max(differences[step] for step in steps[: max(1, len(steps) // 5)])
    late = max(differences.values())
    verdict = early <= EARLY and late <= LATE
    print(
        f"{'equal' if verdict else 'NOT equal'} up to rounding over {steps[-1]} steps: "
        f"{early:.1e} at most in the first fifth "
        f"(expected at most {EARLY:g}), {late:.1e} overall (expected at most {LATE:g})"
    )
    if not verdict:
        raise SystemExit(1)


def calls_of(work, name):
    totals = {}
    for file in pathlib.Path(work).glob(f"{name}.calls.*"):
        for key, value in json.loads(file.read_text()).items():
            totals[key] = totals.get(key, 0) + value
    return totals


def command_calls(arguments):
    fewer, more = calls_of(arguments.work, arguments.fewer), calls_of(arguments.work, arguments.more)
    if not fewer or not more:
        raise SystemExit("gpu_report.py calls: expected counts of two runs, found none: no CUDA runtime call was recorded")
    print(json.dumps({key: (more[key] - fewer[key]) / arguments.steps for key in more}))


def read_text(path):
    return path.read_text(errors="replace") if path.exists() else ""


def training_rows(work):
    rows = []
    for line in read_text(work / "rows.tsv").splitlines():
        name, title, status, run = line.split("\t")
        if title.startswith("("):
            continue
        speed = speed_of(run) if run else None
        logged = metrics_of(run) if run else []
        rows.append(
            {
                "id": name,
                "title": title,
                "status": int(status),
                "steps_per_second": speed,
                "ms": 1e3 / speed if speed else None,
                "loss": logged[-1]["train/loss"] if logged else None,
                "step": logged[-1]["step"] if logged else None,
                "warnings": re.findall(r"^.* (?:warn|warning|error) .*$", read_text(work / f"{name}.log"), re.MULTILINE)[:3],
            }
        )
    return rows


def reference_rows(work):
    rows = []
    for file in sorted(work.glob("reference*.log"), reverse=True):
        for line in read_text(file).splitlines():
            if line.startswith("{"):
                rows.append({"size": file.stem.removeprefix("reference"), **json.loads(line)})
    return rows


def machine_of(work):
    """The GPU's name and driver, libtorch's version from the scripts' log, and the date."""
    import subprocess

    def answer(*command):
        try:
            return subprocess.run(command, capture_output=True, text=True, timeout=30).stdout.strip()
        except (OSError, subprocess.TimeoutExpired):
            return ""

    gpu = answer("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader") or "no GPU"
    version = re.search(r"libtorch\s+(\S+)", read_text(work / "doctor.log"))
    return {
        "gpu": gpu,
        "libtorch": version.group(1) if version else "unknown",
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
    }


def evaluation_rows(work):
    rows = []
    seconds = {line.split("\t")[0]: line.split("\t")[2] for line in read_text(work / "stages.tsv").splitlines()}
    for name, title in [
        ("evaluate_together", "in one process, plans batched on the GPU"),
        ("evaluate_cpu", "on the CPU cores"),
        ("evaluate_gpu", "on the GPU, 8 processes"),
    ]:
        file = work / name / "summary.json"
        if file.exists():
            summary = json.loads(file.read_text())
            rows.append(
                {
                    "title": title,
                    "episodes": len(summary["episodes"]),
                    "seconds": float(seconds.get(name, 0)),
                    "timings": summary.get("timings"),
                    "plans": summary.get("plans"),
                    "together": summary.get("subject", {}).get("together", "1"),
                    "renderer": summary.get("subject", {}).get("renderer", "unknown"),
                }
            )
    return rows


def encode_rows(work):
    rows = []
    for row in reference_rows(work):
        if "frames_per_second" in row:
            title = f"PyTorch: {row['name']}"
            rows.append({"title": title, "frames": None, "frames_per_second": row["frames_per_second"]})
    for file in sorted(work.glob("encode_*.log")):
        # Rates below one per second are printed as "3.8 s each".
        rates = re.findall(r"(\d+)/\1\s+100%\s+([\d.]+) (/s|s each)", read_text(file))
        if rates:
            frames, rate, unit = rates[-1]
            rows.append(
                {
                    "title": file.stem.removeprefix("encode_"),
                    "frames": int(frames),
                    "frames_per_second": float(rate) if unit == "/s" else 1 / float(rate),
                }
            )
    return rows


def rate_text(per_second):
    return f"{per_second:.0f}" if per_second >= 10 else f"{per_second:.2g}"


def markdown(found):
    machine = found["machine"]
    lines = [
        f"Measured on {machine['date']}: {machine['gpu']}, libtorch {machine['libtorch']}, one run.",
        "",
        "| one training step | ms | steps/s | 50k steps | loss at step |",
        "|---|---|---|---|---|",
    ]
    for row in found["training"]:
        if row["steps_per_second"]:
            minutes = 5e4 / row["steps_per_second"] / 60
            lines.append(
                f"| {row['title']} | {row['ms']:.2f} | {row['steps_per_second']:.1f} | {minutes:.1f} min | "
                f"{row['loss']:.4f} at {row['step']} |"
            )
        else:
            lines.append(f"| {row['title']} | failed (status {row['status']}), see its log | | | |")
    for row in found["reference"]:
        if "frames_per_second" in row:
            continue
        cells = (
            f"{row['ms']:.2f} | {1e3 / row['ms']:.1f} | {5e1 * row['ms'] / 60:.1f} min |"
            if "ms" in row
            else f"{row['error'][:80]} | | |"
        )
        lines.append(f"| PyTorch, {row['size']}: {row['name']} | {cells} |")
    if found["calls_a_step"]:
        lines += ["", "| CUDA runtime calls per step, one graph | |", "|---|---|"]
        lines += [f"| {name} | {value:.2f} |" for name, value in found["calls_a_step"].items()]
    if found["encoding"]:
        lines += ["", "| frames encoded for the cache | per second |", "|---|---|"]
        lines += [
            f"| three 128x128 views, LEWM 112x112, {row['title']}"
            + (f", {row['frames']} frames from files" if row["frames"] else "")
            + f" | {rate_text(row['frames_per_second'])} |"
            for row in found["encoding"]
        ]
    if found["evaluation"]:
        lines += ["", "| episodes | together | seconds | ms per chunk | rendered by |", "|---|---|---|---|---|"]
        lines += [
            f"| {row['episodes']} {row['title']} | {row['together']} | {row['seconds']:.0f} "
            f"| {(row['plans'] or {}).get('mean_ms', 0):.2f} | {row['renderer']} |"
            for row in found["evaluation"]
        ]
    warnings = sorted({warning.partition(" ")[2] for row in found["training"] for warning in row["warnings"]})
    if warnings:
        lines += ["", "Warnings:", ""] + [f"- {warning}" for warning in warnings]
    if found["comparison"]:
        lines += ["", found["comparison"]]
    if found["tests"]:
        lines += ["", "CUDA tests: " + "; ".join(found["tests"])]
    lines += [
        "",
        "Stages: "
        + ", ".join(
            f"{name} {seconds} s" + ("" if status == "0" else f" ({status})") for name, status, seconds in found["stages"]
        ),
    ]
    return "\n".join(lines) + "\n"


def command_check(arguments):
    work, output = pathlib.Path(arguments.work), pathlib.Path(arguments.output)
    calls = read_text(work / "calls_graph.json").strip()
    found = {
        "machine": machine_of(work),
        "training": training_rows(work),
        "reference": reference_rows(work),
        "calls_a_step": json.loads(calls) if calls.startswith("{") else {},
        "encoding": encode_rows(work),
        "evaluation": evaluation_rows(work),
        "comparison": read_text(work / "compare.log").strip(),
        "tests": re.findall(r"^\[  (?:PASSED|FAILED|SKIPPED) .*", read_text(work / "cuda_test.log"), re.MULTILINE),
        "stages": [line.split("\t") for line in read_text(work / "stages.tsv").splitlines()],
    }
    output.mkdir(parents=True, exist_ok=True)
    (output / "gpu_check.json").write_text(json.dumps(found, indent=1) + "\n")
    (output / "gpu_check.md").write_text(markdown(found))
    print((output / "gpu_check.md").read_text())


def command_mission(arguments):
    """Writes mission.md with the decisions and the results of each run."""
    work, suite, output = map(pathlib.Path, (arguments.work, arguments.suite, arguments.output))
    machine = machine_of(work)
    lines = [
        f"# The LEWM transfer suite on one GPU, {machine['date']}",
        "",
        f"{machine['gpu']}, libtorch {machine['libtorch']}.",
        "",
        read_text(pathlib.Path(arguments.decision)).strip(),
        "",
    ]
    lines += [
        "| run | state | step | loss | training, steps/s | minutes | episodes | success |",
        "|---|---|---|---|---|---|---|---|",
    ]
    status = json.loads(read_text(suite / "status.json") or '{"runs": []}')
    for row in status["runs"]:
        runs = sorted((suite / "work").glob(f"*/jobs/{row['name']}/runs/*"))
        logged = metrics_of(runs[-1]) if runs else []
        speed = speed_of(runs[-1]) if runs else None
        minutes = (logged[-1]["time"] - logged[0]["time"]) / 60 if logged else 0
        head = (
            f"| {row['name']} | {row['state']} | {row.get('step')} | {logged[-1]['train/loss']:.4f} "
            f"| {speed:.1f} | {minutes:.1f} |"
            if logged
            else f"| {row['name']} | {row['state']} | {row.get('step')} | | | |"
        )
        summaries = (
            [json.loads(file.read_text()) for file in sorted(runs[-1].glob("evaluations/*/summary.json"))] if runs else []
        )
        for summary in sorted(summaries, key=lambda summary: len(summary["episodes"])):
            solved = sum(bool(episode["success"]) for episode in summary["episodes"])
            lines.append(f"{head} {len(summary['episodes'])} | {solved} |")
        if not summaries:
            lines.append(f"{head} | not evaluated |")
    lines += ["", "Weights: `scripts/gpu_report.py whole NAME.fp16.safetensors.part* --output NAME.safetensors`."]
    output.mkdir(parents=True, exist_ok=True)
    (output / "mission.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def read_safetensors(path):
    """{name: (dtype, shape, bytes)}."""
    data = pathlib.Path(path).read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    return {
        name: (
            entry["dtype"],
            entry["shape"],
            data[8 + size + entry["data_offsets"][0] : 8 + size + entry["data_offsets"][1]],
        )
        for name, entry in header.items()
    }


def safetensors_bytes(tensors, metadata):
    header, position = {"__metadata__": metadata}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [position, position + len(data)]}
        position += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(data for _, _, data in tensors.values())


def command_half(arguments):
    """Writes the agent without its frozen encoder: the head's averaged weights in fp16, and unchanged statistics."""
    import torch

    folder, output = pathlib.Path(arguments.checkpoint), pathlib.Path(arguments.output)
    tensors = {
        name: value
        for name, value in read_safetensors(folder / "model.safetensors").items()
        if not name.startswith("backbone.")
    }
    averaged = folder / "ema.safetensors"
    if averaged.exists():
        tensors |= {name: value for name, value in read_safetensors(averaged).items() if not name.startswith("backbone.")}
    for name, (dtype, shape, data) in tensors.items():
        if dtype == "F32" and name.startswith("head."):
            half = torch.frombuffer(bytearray(data), dtype=torch.float32).to(torch.float16)
            tensors[name] = ("F16", shape, half.numpy().tobytes())
    data = safetensors_bytes(tensors, {"weights": "averaged" if averaged.exists() else "last", "source": folder.name})
    output.parent.mkdir(parents=True, exist_ok=True)
    for old in output.parent.glob(output.name + ".part*"):
        old.unlink()
    parts = [data[start : start + PART] for start in range(0, len(data), PART)]
    for number, part in enumerate(parts):
        output.with_name(f"{output.name}.part{number}").write_bytes(part)
    print(f"{output.name}: {len(data) / 2**20:.1f} MiB in {len(parts)} parts")


def command_whole(arguments):
    parts = sorted(map(pathlib.Path, arguments.parts), key=lambda part: int(part.name.rpartition(".part")[2]))
    data = b"".join(part.read_bytes() for part in parts)
    pathlib.Path(arguments.output).write_bytes(data)
    print(f"{arguments.output}: {len(read_safetensors(arguments.output))} tensors")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name, function, *words):
        sub = commands.add_parser(name)
        for word in words:
            sub.add_argument(word)
        sub.set_defaults(function=function)
        return sub

    command("speed", command_speed, "run").add_argument("--number", action="store_true", help="print only the number")
    command("compare", command_compare, "first", "second")
    command("calls", command_calls, "work", "fewer", "more").add_argument("steps", type=int)
    command("check", command_check, "work", "output")
    command("mission", command_mission, "work", "suite", "output", "decision")
    command("half", command_half, "checkpoint", "output")
    whole = command("whole", command_whole)
    whole.add_argument("parts", nargs="+")
    whole.add_argument("--output", required=True)
    arguments = parser.parse_args()
    arguments.function(arguments)


if __name__ == "__main__":
    sys.exit(main())
