"""Experiments that pass damaged files to the commands that read them.

Each must give a one-line error. Files with checksums must never be accepted.
"""

import json
import shutil
import struct

import torch

import runs
from damage import damaged
from experiment import Experiment


class Mutation(Experiment):
    """Base class: one damaged file per trial. `accepted` counts the files that the program read without an error."""

    def __init__(self, lab, folder):
        super().__init__(lab, folder)
        self.accepted = 0

    def judge(self, ended, how, refuse):
        """Yields the failures of a command. If `refuse` is true, the damaged file must be rejected."""
        reason = ended.problem()
        if reason:
            yield f"{how}: {ended.words[1]} {ended.words[2]}: {reason}"
        elif ended.status == 0:
            self.accepted += 1
            if refuse:
                yield f"{how}: {ended.words[1]} {ended.words[2]}: accepted silently"

    def note(self):
        return f"accepted: {self.accepted}"


class Inspected(Mutation):
    """`checkpoint inspect` of one file. It lists the contents, but cannot know whether they are correct."""

    file = None

    def trial(self, number, rng, folder):
        data, how = damaged(self.file.read_bytes(), rng, self.head())
        target = folder / self.file.name
        target.write_bytes(data)
        ended = self.lab.read("checkpoint", "inspect", target)
        yield from self.judge(ended, how, refuse=False)
        if ended.status == 0 and not self.same(target):
            yield f"{how}: wrong values are accepted silently"

    def same(self, target):
        """Whether an accepted file has the contents of the undamaged one, as far as its format allows to check."""
        return True


class MutateSafetensors(Inspected):
    """A damaged safetensors file."""

    name = "mutate_safetensors"

    def __init__(self, lab, folder):
        super().__init__(lab, folder)
        self.file = runs.ENCODER

    def head(self):
        (size,) = struct.unpack("<Q", self.file.read_bytes()[:8])
        return 8 + size


class MutateTorch(Inspected):
    """A damaged file from torch.save, whose zip archive has checksums."""

    name = "mutate_torch"

    def __init__(self, lab, folder):
        super().__init__(lab, folder)
        self.file = folder / "weights.pth"
        torch.manual_seed(0)
        layers = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Linear(16, 4))
        torch.save({"state_dict": layers.state_dict(), "epoch": 3, "names": ["a", "b"]}, self.file)

    def head(self):
        return None

    def same(self, target):
        try:
            there, here = (torch.load(path, weights_only=True) for path in (self.file, target))
        except Exception:  # torch is stricter than the program about data around the tensors
            return True
        weights, others = there.pop("state_dict"), here.pop("state_dict")
        return there == here and all(torch.equal(tensor, others[name]) for name, tensor in weights.items())


class MutateCheckpoint(Mutation):
    """A damaged file of a run's newest checkpoint, given to `run --resume` and `eval --open-loop`."""

    name = "mutate_checkpoint"
    share = 1.5
    files = ("model.safetensors", "ema.safetensors", "optimizer.safetensors", "config.yaml")

    def __init__(self, lab, folder):
        super().__init__(lab, folder)
        data = runs.write_data(folder / "data")
        lab.must(*runs.training(data, folder / "reference"), "train.rollout_num_episodes=0")
        self.run = runs.only_run(folder / "reference")

    def trial(self, number, rng, folder):
        name = self.files[number % len(self.files)]
        run = folder / "run"
        shutil.copytree(self.run, run, symlinks=True)
        file = runs.whole_checkpoints(run)[-1] / name
        data, how = damaged(file.read_bytes(), rng, 512)
        if not self.differs(file.read_bytes(), data):
            return
        file.write_bytes(data)
        # By default, an evaluation uses neither the optimizer nor the weights before averaging.
        commands = [["run", "--resume", run]]
        if name not in ("optimizer.safetensors", "model.safetensors"):
            commands.append(["eval", "--open-loop", "--checkpoint", run, "--device", "cpu"])
        for words in commands:
            yield from self.judge(self.lab.read(*words), f"{name}, {how}", refuse=True)

    def differs(self, before, after):
        return True


class MutateState(MutateCheckpoint):
    """A damaged state.json, which must be rejected if its contents differ."""

    name = "mutate_state"
    share = 1.0
    files = ("state.json",)

    def differs(self, before, after):
        # Different whitespace does not change the contents.
        try:
            return json.loads(after) != json.loads(before)
        except ValueError:
            return True


class MutateHdf5(Mutation):
    """A damaged episode: a training reads its tables, `encode` reads its images. HDF5 has no checksums by default."""

    name = "mutate_hdf5"

    def trial(self, number, rng, folder):
        images = number % 2
        data = runs.write_data(folder / "data", 2, size=8 if not images else 32,
                               compression="gzip" if rng.random() < 0.5 else None)
        file = data / "episode_1.hdf5"
        # HDF5 stores its structure in the first bytes and between the data.
        changed, how = damaged(file.read_bytes(), rng, 4096)
        file.write_bytes(changed)
        words = runs.training(data, folder / "runs", 1)
        if images:
            words = runs.encoding(data, folder)
        else:
            words.append("train.rollout_num_episodes=0")
        yield from self.judge(self.lab.read(*words), how, refuse=False)


class MutateConfig(Mutation):
    """A damaged YAML file, given to `config show`."""

    name = "mutate_config"

    def __init__(self, lab, folder):
        super().__init__(lab, folder)
        self.text = lab.must("config", "show", "lewm_imf_attnres.yaml").out.encode()

    def trial(self, number, rng, folder):
        changed, how = damaged(self.text, rng)
        file = folder / "experiment.yaml"
        file.write_bytes(changed)
        yield from self.judge(self.lab.read("config", "show", file), how, refuse=False)


def loaded_bytes(whole, data):
    """The bytes of `data`, a damaged copy of the 64-bit ELF file `whole`, that a process loads: its loaded segments.

    This excludes everything that `strip` removes (symbol and section tables, and the header fields that point to them),
    and the padding between segments.
    """
    (table,) = struct.unpack_from("<Q", whole, 32)
    size, count = struct.unpack_from("<HH", whole, 54)
    headers = [struct.unpack_from("<IIQQQQ", whole, table + index * size) for index in range(count)]
    without_sections = data[:40] + bytes(8) + data[48:58] + bytes(6) + data[64:]
    return [without_sections[offset:offset + length] for kind, _, offset, _, _, length in headers if kind == 1]


class MutatePlugin(Mutation):
    """A damaged plugin in a folder of --plugin-path: it is rejected by name, and the others still work."""

    name = "mutate_plugin"
    share = 1.5
    file = "libresnet_backbone.so"

    def __init__(self, lab, folder):
        super().__init__(lab, folder)
        self.plugin = lab.program.parent.parent / "lib/roboimi/plugins" / self.file

    def trial(self, number, rng, folder):
        whole = self.plugin.read_bytes()
        data, how = damaged(whole, rng, 4096)
        (folder / self.file).write_bytes(data)
        # The undamaged plugin of the same name must not hide the damaged one.
        listed = self.lab.read("plugins", "list", "--json", "--plugin-path", folder)
        # The command exits with status 1 if it lists a rejected file, without printing another error.
        reason = listed.crash() or ("" if listed.out else listed.summary())
        if reason:
            yield f"{how}: plugins list: {reason}"
            return
        if loaded_bytes(whole, data) != loaded_bytes(whole, whole) and not self.refused(listed.out, folder):
            self.accepted += 1
            yield f"{how}: plugins list: accepted silently"
        inspected = self.lab.read("plugins", "inspect", "imf_head", "--plugin-path", folder)
        if inspected.status != 0:
            yield f"{how}: plugins inspect: {inspected.summary()}"

    def refused(self, text, folder):
        """Whether `plugins list --json` lists the damaged file as rejected."""
        listed = json.loads(text)
        return any(entry.get("file") == str(folder / self.file) for entry in listed.get("rejected", []))

    def note(self):
        return f"accepted: {self.accepted}"
