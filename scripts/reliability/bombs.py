"""Hostile files that try to run code, or to exhaust the time or memory of their reader."""

import json
import os
import pickle
import struct
import zipfile

import h5py
import torch

import runs
from experiment import Experiment

READ_SECONDS = 2.0  # CPU time to read a file of a few megabytes, including the start of the program


class Payload:
    """An object whose pickle calls os.system when Python loads it."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


class HostileFiles(Experiment):
    """Pickles that call os.system; YAML, zip, pickle and HDF5 bombs; many tensors; escape sequences."""

    name = "hostile_files"

    def __init__(self, lab, folder):
        super().__init__(lab, folder)
        self.cases = [self._pickle_zip, self._pickle_legacy, self._pickle_bare, self._zip_bomb, self._pickle_list,
                      self._pickle_memo, self._yaml_aliases, self._yaml_nesting, self._yaml_references, self._yaml_circle,
                      self._header_length, self._header_nesting, self._many_tensors, self._many_dimensions,
                      self._hdf5_rows, self._escapes]

    @property
    def count(self):
        return len(self.cases)

    def trial(self, number, rng, folder):
        case = self.cases[number]
        name = case.__name__.strip("_")
        for words in case(folder):
            ended = self.lab.read(*words)
            if ended.problem():
                yield f"{name}: {words[0]}: {ended.problem()}"
            if (folder / "executed").exists():
                yield f"{name}: {words[0]} executed code from the file"
            if "\x1b[" in ended.out + ended.err:
                yield f"{name}: {words[0]} printed an escape sequence from the file"
            if name == "many_tensors" and ended.seconds > READ_SECONDS:
                yield f"{name}: {words[0]} used {ended.seconds:.1f} s of CPU time"

    def _readers(self, file):
        return [["checkpoint", "inspect", file],
                ["checkpoint", "convert", file, file.with_suffix(".converted.safetensors"), "--layout", "lewm"]]

    def _pickle_zip(self, folder):
        torch.save({"a": torch.ones(2), "b": Payload(folder / "executed")}, folder / "zip.pth")
        return self._readers(folder / "zip.pth")

    def _pickle_legacy(self, folder):
        torch.save({"a": torch.ones(2), "b": Payload(folder / "executed")}, folder / "legacy.pth",
                   _use_new_zipfile_serialization=False)
        return self._readers(folder / "legacy.pth")

    def _pickle_bare(self, folder):
        (folder / "bare.pkl").write_bytes(pickle.dumps({"b": Payload(folder / "executed")}))
        return self._readers(folder / "bare.pkl")

    def _archive(self, file, program, entries=()):
        """Writes an archive in the format of torch.save with the given pickle program."""
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("archive/data.pkl", program)
            archive.writestr("archive/version", "3\n")
            for name, data in entries:
                archive.writestr(f"archive/data/{name}", data)
        return self._readers(file)

    def _zip_bomb(self, folder):
        # Each entry expands from a fifth of a megabyte to 200 megabytes of zeros.
        zeros = bytes(200 * 2**20)
        return self._archive(folder / "bomb.pth", pickle.dumps({}), [(str(i), zeros) for i in range(8)])

    def _pickle_list(self, folder):
        # Each list contains the previous one twice, which makes 2**40 elements for a reader that visits them all.
        program = b"\x80\x02]q\x00"
        for level in range(40):
            program += b"]" + b"q" + bytes([level + 1]) + b"(h" + bytes([level]) + b"h" + bytes([level]) + b"e"
        return self._archive(folder / "lists.pth", program + b".")

    def _pickle_memo(self, folder):
        # A million nested tuples.
        return self._archive(folder / "tuples.pth", b"\x80\x02)" + b"\x85" * 10**6 + b".")

    def _show(self, folder, text):
        (folder / "bomb.yaml").write_text(text)
        return [["config", "show", folder / "bomb.yaml"]]

    def _yaml_aliases(self, folder):
        lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
        lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
        return self._show(folder, "\n".join(lines))

    def _yaml_nesting(self, folder):
        return self._show(folder, "a: " + "[" * 100_000 + "]" * 100_000)

    def _yaml_references(self, folder):
        lines = ["a0: xxxxxxxxxx"] + [f"a{i}: ${{a{i - 1}}}${{a{i - 1}}}${{a{i - 1}}}" for i in range(1, 30)]
        return self._show(folder, "\n".join(lines))

    def _yaml_circle(self, folder):
        return self._show(folder, "a: &a [*a]\nb: ${c}\nc: ${b}\n")

    def _safetensors(self, file, header, body=b""):
        file.write_bytes(struct.pack("<Q", len(header)) + header + body)
        return [["checkpoint", "inspect", file]]

    def _header_length(self, folder):
        file = folder / "length.safetensors"
        file.write_bytes(struct.pack("<Q", 2**62) + b"{}")
        return [["checkpoint", "inspect", file]]

    def _header_nesting(self, folder):
        return self._safetensors(folder / "nesting.safetensors", b'{"a":' + b"[" * 10**6 + b"]" * 10**6 + b"}")

    def _many_tensors(self, folder):
        entry = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
        header = json.dumps({f"layer.{i}.weight": entry for i in range(20_000)}).encode()
        return self._safetensors(folder / "many.safetensors", header)

    def _many_dimensions(self, folder):
        entries = {"a": {"dtype": "F32", "shape": [2**31, 2**31, 4], "data_offsets": [0, 4]},
                   "b": {"dtype": "F32", "shape": [1] * 10_000, "data_offsets": [0, 4]}}
        return self._safetensors(folder / "dimensions.safetensors", json.dumps(entries).encode(), bytes(4))

    def _hdf5_rows(self, folder):
        # A billion rows that were never written.
        data = folder / "data"
        runs.write_data(data, 2)
        with h5py.File(data / "episode_1.hdf5", "a") as file:
            for name in ("action", "observations/qpos", "observations/env_state"):
                width = file[name].shape[1]
                del file[name]
                file.create_dataset(name, (10**9, width), dtype="f4", chunks=(1024, width), compression="gzip")
        return [[*runs.training(data, folder / "runs", 1), "train.rollout_num_episodes=0"]]

    def _escapes(self, folder):
        entry = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
        header = json.dumps({"\x1b[2J\x1b[31mname": entry}).encode()
        return self._safetensors(folder / "escapes.safetensors", header, bytes(4))
