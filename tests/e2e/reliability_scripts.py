#!/usr/bin/env python3
"""Tests that scripts/reliability detects failures and runs to its end: reliability_scripts.py PROGRAM"""

import pathlib
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent
SCRIPTS = SOURCE / "scripts/reliability"
PROGRAM = pathlib.Path(sys.argv.pop(1)).resolve()
sys.path.insert(0, str(SCRIPTS))

import damage  # noqa: E402
import lab  # noqa: E402
import mutations  # noqa: E402
import runs  # noqa: E402
import system_calls  # noqa: E402


class InAFolder(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="roboimi_reliability_test_"))
        self.addCleanup(shutil.rmtree, self.folder)

    def reliability(self, *words, program=PROGRAM):
        return subprocess.run([sys.executable, SCRIPTS, "--program", program, "--work", self.folder / "work", *words],
                              capture_output=True, text=True)


class Checks(InAFolder):
    def test_damage_always_changes_the_file(self):
        rng = random.Random(0)
        data = bytes(range(1, 101))
        changed = [damage.damaged(data, rng, head) for head in (None, 10) for _ in range(200)]
        self.assertNotIn(data, [after for after, _ in changed])
        self.assertEqual({how for _, how in changed}, {kind.__name__ for kind in damage.KINDS})

    def test_steps_are_compared_one_by_one(self):
        whole = [{"step": step, "train/loss": 1.0} for step in range(1, 6)]
        found = [dict(line) for line in whole]
        self.assertEqual(list(runs.metrics_differences(whole, found)), [])
        found[4]["train/loss"] = 1.5
        found.insert(2, found[1])
        del found[0]
        self.assertEqual(list(runs.metrics_differences(whole, found)),
                         ["metrics.jsonl: missing lines at 1 steps, the first is 1",
                          "metrics.jsonl: duplicate lines at 1 steps, the first is 2",
                          "metrics.jsonl: different values at 1 steps, the first is 5"])

    def test_one_bit_of_the_weights_is_a_difference(self):
        for name in ("there", "here"):
            (self.folder / name).mkdir()
            shutil.copy(runs.ENCODER, self.folder / name / "model.safetensors")
        there, here = self.folder / "there", self.folder / "here"
        self.assertEqual(list(runs.tensor_differences(there, here)), [])
        file = here / "model.safetensors"
        data = bytearray(file.read_bytes())
        data[-1] ^= 1
        file.write_bytes(data)
        (text,) = runs.tensor_differences(there, here)
        self.assertRegex(text, "here/model.safetensors: 1 tensors differ")

    def test_a_process_is_killed_before_the_chosen_call(self):
        if not system_calls.available():
            self.skipTest("processes cannot be traced here")
        place = lab.Lab(pathlib.Path(sys.executable), self.folder, 60, 0)
        code = "import os; open('data/a', 'w').write('x'); os.rename('data/a', 'data/b'); open('data/c', 'w')"
        (self.folder / "data").mkdir()
        ended, calls = system_calls.trace(place, ["-c", code], self.folder / "data", lambda call: call.name == "rename")
        self.assertEqual(ended.status, -signal.SIGKILL)
        self.assertEqual([str(call) for call in calls], ["openat a", "write a", "rename b"])
        self.assertEqual([path.name for path in (self.folder / "data").iterdir()], ["a"])

    def test_only_the_loaded_bytes_of_a_library_count(self):
        header = struct.pack("<16x2HI3QI6H", 3, 62, 1, 0, 64, 4000, 0, 64, 56, 2, 64, 9, 8)
        segments = [struct.pack("<2I6Q", 1, 4, offset, offset, offset, 300, 300, 16) for offset in (0, 600)]
        whole = b"".join([header, *segments]).ljust(1000, b"\0")

        def counts(at):
            data = bytearray(whole)
            data[at] ^= 1
            return mutations.loaded_bytes(whole, bytes(data)) != mutations.loaded_bytes(whole, whole)

        self.assertTrue(all(counts(at) for at in (32, 64, 299, 600, 899)))
        self.assertFalse(any(counts(at) for at in (40, 63, 300, 599, 900)))  # section table, padding, the end

    def test_a_file_has_the_same_shape_in_every_process_and_step(self):
        shapes = {system_calls.shape_of(f"run/step_{step:08}/.state.json.tmp{process}")
                  for step, process in ((4, "71"), (12, "9-e7a2"), (20, "10-0b"))}
        self.assertEqual(len(shapes), 1)

    def test_the_time_limit_ends_running_processes(self):
        place = lab.Lab(pathlib.Path("/bin/sleep"), self.folder, 0.1, 0)
        running = place.start("60")
        with self.assertRaises(lab.OutOfTime):
            running.wait()
        place.end_all()
        self.assertFalse(running.proc().exists())

    def test_a_failure_must_print_exactly_one_error_line(self):
        def problem(status, err):
            return lab.Ended(["roboimi"], status, "", err).problem()

        self.assertEqual(problem(0, ""), "")
        self.assertEqual(problem(1, "12:00 info x\nroboimi run: no such file\n"), "")
        self.assertIn("0 error lines", problem(1, "what\n"))
        self.assertIn("signal SIGSEGV", problem(-signal.SIGSEGV, ""))
        self.assertIn("hangs", problem(-signal.SIGXCPU, ""))
        self.assertIn("terminate called", problem(1, "roboimi run: x\nterminate called\n"))


class Program(InAFolder):
    def test_a_working_program_passes_and_no_files_are_left(self):
        names = ["kill_train", "mutate_checkpoint", "mutate_plugin", "hostile_files"]
        ended = self.reliability("--only", ",".join(names), "--trials", "1", "--seconds", "60")
        self.assertEqual(ended.returncode, 0, ended.stdout + ended.stderr)
        rows = [line.split()[:3] for line in ended.stdout.splitlines()[1:]]
        self.assertEqual(rows, [[name, "1", "0"] for name in names])
        self.assertFalse((self.folder / "work").exists())

    def test_a_crashing_program_is_detected(self):
        broken = self.folder / "broken"
        broken.write_text(f'#!/bin/sh\ncase "$*" in *experiment.yaml) kill -SEGV $$;; esac\nexec "{PROGRAM}" "$@"\n')
        broken.chmod(0o755)
        ended = self.reliability("--only", "mutate_config", "--trials", "2", program=broken)
        self.assertEqual(ended.returncode, 1, ended.stdout + ended.stderr)
        self.assertRegex(ended.stdout, "FAILED mutate_config trial 1: .*signal SIGSEGV")
        self.assertRegex(ended.stdout, "repeat with: .*--only mutate_config --seed 0 --trial 1")
        self.assertTrue((self.folder / "work/mutate_config/trial_1/experiment.yaml").exists())

    def test_an_unknown_experiment_is_refused(self):
        ended = self.reliability("--only", "kill_tran")
        self.assertEqual(ended.returncode, 2)
        self.assertIn("no experiment 'kill_tran': expected kill_train, ", ended.stderr)


if __name__ == "__main__":
    unittest.main()
