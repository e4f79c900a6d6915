"""Run and data folders with links that point outside: nothing outside may be deleted or written."""

import os
import shutil

import runs
from experiment import Experiment


def snapshot(folder):
    """The kind and contents of every entry below a folder."""
    return {str(path.relative_to(folder)): os.readlink(path) if path.is_symlink() else
            path.read_bytes() if path.is_file() else "folder" for path in sorted(folder.rglob("*"))}


class HostileLinks(Experiment):
    """Links in run, data and cache folders that point to other programs' files."""

    name = "hostile_links"

    def __init__(self, lab, folder):
        super().__init__(lab, folder)
        self.data = runs.write_data(folder / "data")
        lab.must(*runs.training(self.data, folder / "reference", 8), "train.rollout_every=4")
        self.run = runs.only_run(folder / "reference")
        lab.must(*runs.encoding(self.data, folder))
        (self.cached,) = (path.stem for path in (folder / "cache").glob("embeddings-*.safetensors"))
        self.cases = [self._checkpoints, self._checkpoints_with_one, self._step, self._temporary_step, self._log,
                      self._metrics, self._rollouts, self._staged, self._staged_file, self._episode, self._cache_folder,
                      self._partial, self._output]

    @property
    def count(self):
        return len(self.cases)

    def trial(self, number, rng, folder):
        outside = folder / "outside"
        for name in (".ssh/key", ".profile", "notes.txt", "step_00000001/note", "episode_7.hdf5", "data/.hidden"):
            (outside / name).parent.mkdir(parents=True, exist_ok=True)
            (outside / name).write_text(f"{name} of another program\n")
        run = folder / "run"
        shutil.copytree(self.run, run, symlinks=True)
        case = self.cases[number]
        words = case(folder, run, outside)
        before = snapshot(outside)
        ended = self.lab.run(*words)
        name = case.__name__.strip("_")
        if ended.problem():
            yield f"{name}: {ended.problem()}"
        after = snapshot(outside)
        for path in sorted(set(before) | set(after)):
            if before.get(path) != after.get(path):
                change = "deleted" if path not in after else "written" if path in before else "created"
                yield f"{name}: {words[0]} has {change} {path} outside the folder"

    def _resume(self, run):
        return ["run", "--resume", run, "train.max_steps=16"]

    def _checkpoints(self, folder, run, outside):
        shutil.rmtree(run / "checkpoints")
        (run / "checkpoints").symlink_to(outside)
        return self._resume(run)

    def _checkpoints_with_one(self, folder, run, outside):
        # A link to shared storage, which may contain hidden files of other programs.
        shutil.rmtree(outside / "step_00000001")
        shutil.copytree(run / "checkpoints/step_00000008", folder / "step_00000008")
        shutil.rmtree(run / "checkpoints")
        (folder / "step_00000008").rename(outside / "step_00000008")
        (run / "checkpoints").symlink_to(outside)
        # No training steps are left, so nothing needs to be saved.
        return ["run", "--resume", run]

    def _step(self, folder, run, outside):
        shutil.move(run / "checkpoints/step_00000004", outside / "step_00000004")
        (run / "checkpoints/step_00000004").symlink_to(outside / "step_00000004")
        return [*self._resume(run), "train.keep_top_k=0"]

    def _temporary_step(self, folder, run, outside):
        for name in (".step_00000012.tmp1", ".removed_step_00000004", ".replaced_step_00000008", ".latest.1"):
            (run / "checkpoints" / name).symlink_to(outside)
        return self._resume(run)

    def _log(self, folder, run, outside):
        (run / "log.txt").unlink()
        (run / "log.txt").symlink_to(outside / "notes.txt")
        return self._resume(run)

    def _metrics(self, folder, run, outside):
        shutil.copy(run / "metrics.jsonl", outside / "notes.txt")
        (run / "metrics.jsonl").unlink()
        (run / "metrics.jsonl").symlink_to(outside / "notes.txt")
        return self._resume(run)

    def _rollouts(self, folder, run, outside):
        (run / "rollouts/step_00000012").symlink_to(outside)
        return self._resume(run)

    def _collected(self, folder):
        data = folder / "collected"
        self.lab.must(*runs.collection(data, 1))
        return data

    def _staged(self, folder, run, outside):
        data = self._collected(folder)
        (data / ".staged").symlink_to(outside)
        (data / "episode_0.hdf5").unlink()
        return runs.collection(data, 1)

    def _staged_file(self, folder, run, outside):
        data = self._collected(folder)
        (data / ".staged").mkdir()
        (data / ".staged/episode_0.hdf5").symlink_to(outside / "notes.txt")
        (data / "episode_0.hdf5").unlink()
        return runs.collection(data, 1)

    def _episode(self, folder, run, outside):
        data = self._collected(folder)
        (data / "episode_0.hdf5").unlink()
        (data / "episode_0.hdf5").symlink_to(outside / "notes.txt")
        return runs.collection(data, 1)

    def _cache_folder(self, folder, run, outside):
        # A cache on another disk is a legitimate use of links; its other files must not change.
        (outside / f"{self.cached}.safetensors").symlink_to(outside / "notes.txt")
        (folder / "cache").symlink_to(outside)
        return self._encode(folder)

    def _partial(self, folder, run, outside):
        (folder / "cache").mkdir()
        (folder / "cache" / f"{self.cached}.partial").symlink_to(outside / "notes.txt")
        return self._encode(folder)

    def _output(self, folder, run, outside):
        (folder / "out.safetensors").symlink_to(outside / "notes.txt")
        return self._encode(folder)

    def _encode(self, folder):
        return runs.encoding(self.data, folder)
