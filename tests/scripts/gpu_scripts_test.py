"""Tests of the GPU scripts, as far as possible without a GPU: gpu_scripts_test.py PROGRAM BUILD_FOLDER"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import numpy as np
from safetensors.numpy import load_file, save_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"
BUILD = pathlib.Path(sys.argv.pop(2)).resolve()
PROGRAM = pathlib.Path(sys.argv.pop(1)).resolve()
sys.path.insert(0, str(SCRIPTS))
import gpu_report  # noqa: E402

IS_CUDA_BUILD = "libtorch_cuda" in subprocess.run(["readelf", "-d", PROGRAM], capture_output=True, text=True).stdout
HAS_GPU = pathlib.Path("/dev/nvidiactl").exists() or shutil.which("nvidia-smi") is not None


class InAFolder(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="roboimi_gpu_test_"))
        self.addCleanup(shutil.rmtree, self.folder)

    def run_command(self, *words, **variables):
        return subprocess.run(
            list(map(str, words)), cwd=ROOT, env={**os.environ, **variables}, capture_output=True, text=True
        )

    def shell(self, text, *arguments):
        """Runs a script that sources gpu_common.sh and then executes `text`."""
        script = self.folder / "gpu_try.sh"
        script.write_text(f"set -euo pipefail\ncd {ROOT}\n. scripts/gpu_common.sh\n{text}\n")
        return self.run_command(
            "bash",
            script,
            "--dry-run",
            "--program",
            PROGRAM,
            "--work",
            self.folder / "work",
            "--output",
            self.folder / "out",
            *arguments,
        )


class Refusal(InAFolder):
    @unittest.skipIf(HAS_GPU, "this machine has a GPU")
    def test_each_script_reports_that_there_is_no_gpu(self):
        for name in ["gpu_check", "gpu_mission", "gpu_lewm", "gpu_rows"]:
            result = self.run_command(
                SCRIPTS / f"{name}.sh", "--work", self.folder / "work", "--output", self.folder / "out"
            )
            self.assertEqual(result.returncode, 3, name)
            self.assertRegex(result.stderr, f"^{name}.sh: no GPU: expected an NVIDIA driver .* found none; .*--dry-run")
            self.assertEqual(len(result.stderr.splitlines()), 1)
            self.assertFalse((self.folder / "out").exists())

    def test_an_unknown_option_is_named(self):
        result = self.run_command(SCRIPTS / "gpu_check.sh", "--quick")
        self.assertEqual(result.returncode, 2)
        self.assertIn("gpu_check.sh: unknown option '--quick': see gpu_check.sh --help", result.stderr)

    def test_a_missing_build_is_named(self):
        result = self.run_command(
            SCRIPTS / "gpu_check.sh",
            "--dry-run",
            "--program",
            "none/roboimi",
            "--work",
            self.folder / "work",
            "--output",
            self.folder / "out",
        )
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, "expected a build in .*none/roboimi, found none: build it")

    def test_a_budget_is_a_number(self):
        result = self.run_command(SCRIPTS / "gpu_check.sh", "--dry-run", "--budget", "soon")
        self.assertEqual(result.returncode, 2)
        self.assertIn("--budget: expected a number of seconds above 12, found 'soon'", result.stderr)


class TimeLimits(InAFolder):
    def test_a_stage_ends_at_its_limit(self):
        result = self.shell(
            'gpu_start "$@"; status=0; stage long 1 2 sleep 60 || status=$?; echo "status $status, ${SECONDS} s"'
        )
        self.assertIn("long: ended with status 124 after 2 s (its time limit)", result.stdout)
        self.assertRegex(result.stdout, "status 124, [2-9] s")
        self.assertIn("long\t124\t2\n", (self.folder / "work/stages.tsv").read_text())

    def test_a_stage_without_enough_time_is_skipped_in_one_line(self):
        result = self.shell('gpu_start "$@"; stage late 50 60 touch "$work/made" || echo "status $?"', "--budget", "40")
        self.assertRegex(result.stdout, "skipped late: needs 50 s, 2[678] s left\nstatus 10\n")
        self.assertFalse((self.folder / "work/made").exists())

    def test_a_script_that_hangs_is_killed(self):
        result = self.shell('gpu_start "$@"; sleep 120', "--budget", "13")
        self.assertEqual(result.returncode, 124)

    def test_a_failing_stage_shows_the_end_of_its_log(self):
        result = self.shell('gpu_start "$@"; stage bad 1 5 bash -c "echo no such thing >&2; exit 7" || true')
        self.assertRegex(result.stdout, "bad: ended with status 7 after [01] s:\nno such thing\n")


class Report(InAFolder):
    def a_run(self, name, losses, rate=10.0):
        folder = self.folder / name
        folder.mkdir()
        rows = [
            {"step": 10 * (i + 1), "time": float(i), "train/loss": loss, "train/steps_per_second": rate if i else 1.0}
            for i, loss in enumerate(losses)
        ]
        (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return folder

    def test_speed_excludes_the_warm_up_window(self):
        self.assertEqual(gpu_report.speed_of(self.a_run("run", [1.0, 0.9, 0.8])), 10.0)

    def test_encoding_speeds_are_read_in_both_notations(self):
        for name, rate in [("fast", "13.2 /s"), ("slow", "4.0 s each")]:
            line = f"encode frames  3/8   37%  {rate}\nencode frames  8/8  100%  {rate}  0:00:32\n"
            (self.folder / f"encode_{name}.log").write_text(line)
        rows = {row["title"]: row for row in gpu_report.encode_rows(self.folder)}
        self.assertEqual(rows["fast"]["frames_per_second"], 13.2)
        self.assertEqual(rows["slow"]["frames_per_second"], 0.25)
        self.assertEqual(rows["slow"]["frames"], 8)

    def test_encoding_speeds_of_the_reference_are_rows_of_the_same_table(self):
        lines = [{"name": "encoding, bf16, one graph", "frames_per_second": 71000.5}, {"name": "a step", "ms": 40.0}]
        (self.folder / "referencelewm.log").write_text("".join(json.dumps(line) + "\n" for line in lines))
        (self.folder / "encode_bf16.log").write_text("encode frames  8/8  100%  52000.0 /s  0:00:01\n")
        found = {
            "machine": {"gpu": "a GPU", "libtorch": "2", "date": "today"},
            "training": [],
            "reference": gpu_report.reference_rows(self.folder),
            "encoding": gpu_report.encode_rows(self.folder),
            **dict.fromkeys(["calls_a_step", "evaluation", "comparison", "tests", "stages"], []),
        }
        table = gpu_report.markdown(found)
        self.assertIn("LEWM 112x112, PyTorch: encoding, bf16, one graph | 71000 |", table)
        self.assertIn("LEWM 112x112, bf16, 8 frames from files | 52000 |", table)
        self.assertIn("| PyTorch, lewm: a step | 40.00 | 25.0 |", table)
        self.assertEqual(table.count("71000"), 1)

    def test_losses_that_differ_by_more_than_rounding_are_an_error(self):
        first, close, far = (
            self.a_run(name, losses)
            for name, losses in [("first", [1.0, 0.5]), ("close", [1.0001, 0.501]), ("far", [1.0001, 0.6])]
        )
        equal = self.run_command(sys.executable, SCRIPTS / "gpu_report.py", "compare", close, first)
        self.assertEqual(equal.returncode, 0, equal.stderr)
        self.assertIn("| 20 | 0.5010000 | 0.5000000 | 2.0e-03 |", equal.stdout)
        other = self.run_command(sys.executable, SCRIPTS / "gpu_report.py", "compare", far, first)
        self.assertEqual(other.returncode, 1)
        self.assertIn("NOT equal up to rounding over 20 steps", other.stdout)

    def test_weights_are_restored_from_their_parts(self):
        checkpoint = self.folder / "step_00000002"
        checkpoint.mkdir()
        draw = np.random.default_rng(0)
        save_file(
            {
                "head.w": np.zeros((3000, 3000), np.float32),
                "state_normalizer.scale": np.full(3, 0.1, np.float32),
                "backbone.w": np.zeros(5, np.float32),
            },
            checkpoint / "model.safetensors",
        )
        weights = draw.normal(size=(3000, 3000)).astype(np.float32)
        save_file({"head.w": weights}, checkpoint / "ema.safetensors")
        result = self.run_command(
            sys.executable, SCRIPTS / "gpu_report.py", "half", checkpoint, self.folder / "w.safetensors"
        )
        self.assertEqual(result.returncode, 0, result.stderr)
        parts = sorted(self.folder.glob("w.safetensors.part*"))
        self.assertEqual([part.name[-1] for part in parts], ["0", "1"])
        self.assertLess(max(part.stat().st_size for part in parts), 16 * 2**20)
        self.run_command(
            sys.executable, SCRIPTS / "gpu_report.py", "whole", *parts, "--output", self.folder / "back.safetensors"
        )
        back = load_file(self.folder / "back.safetensors")
        self.assertEqual(set(back), {"head.w", "state_normalizer.scale"})
        np.testing.assert_array_equal(back["head.w"], weights.astype(np.float16))
        self.assertEqual(back["state_normalizer.scale"].dtype, np.float32)


class Package(InAFolder):
    @unittest.skipIf(IS_CUDA_BUILD and not HAS_GPU, "CUDA's libraries may be missing here")
    def test_a_packed_build_runs_from_another_folder(self):
        packed = self.run_command(
            SCRIPTS / "gpu_package.sh",
            BUILD,
            self.folder / "roboimi-gpu.tar.xz",
            ROBOIMI_PACKAGE_XZ="-1",
            ROBOIMI_PACKAGE_LIMIT="80",
        )
        self.assertEqual(packed.returncode, 0, packed.stderr)
        result = self.shell(
            'gpu_start "$@"; "$roboimi" doctor; "$roboimi" config show lewm_imf_attnres.yaml agent.backbone.precision=bf16; '
            'bash -c \'. "$0/env.sh" && ldd "$0/bin/roboimi"\' "$package_folder"',
            "--package",
            self.folder / "roboimi-gpu.tar.xz",
        )
        self.assertEqual(result.returncode, 0, result.stderr + result.stdout)
        unpacked = self.folder / "work/roboimi-gpu"
        self.assertRegex(result.stdout, r"ok +plugins +\d+ loaded")
        self.assertNotIn("rejected plugin", result.stdout)
        # The encoder comes from the source tree, the libraries and configs from the package.
        self.assertRegex(
            result.stdout, f"checkpoint: .*{unpacked}/share/roboimi/.*assets/checkpoints/lewm_sim_transfer.safetensors"
        )
        self.assertEqual((unpacked / "share/roboimi/assets").resolve(), ROOT / "assets")
        self.assertRegex(result.stdout, f"libyaml-cpp[^ ]* => {unpacked}/libs/")
        self.assertNotIn("not found", result.stdout)


if __name__ == "__main__":
    unittest.main()
