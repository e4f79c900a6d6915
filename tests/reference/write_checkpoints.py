"""Writes one weights file for each layout that roboimi must read, and some that it must reject.

    python write_checkpoints.py FOLDER

expected_*.safetensors, written with the safetensors package, hold the values that a correct reader finds.
"""
import collections
import os
import pickle
import re
import sys
import types
import zipfile

import numpy
import torch
from safetensors.torch import save_file
from torch import nn

FOLDER = sys.argv[1]


def path(name):
    return os.path.join(FOLDER, name)


# A Python module that does not exist on the reading side.
foreign = types.ModuleType("foreign_package")


class Settings:
    def __init__(self):
        self.learning_rate = 1e-3
        self.path = "data/run"


class Policy(nn.Module):
    """A model with tied weights, a layer without bias, and persistent and non-persistent buffers."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Linear(5, 4, bias=False))
        self.first = nn.Embedding(7, 3)
        self.tied = nn.Linear(3, 7, bias=False)
        self.tied.weight = self.first.weight
        self.scale = nn.Parameter(torch.tensor(2.5))
        self.register_buffer("kept", torch.arange(3))
        self.register_buffer("not_kept", torch.ones(9), persistent=False)


for foreign_class in (Settings, Policy):
    foreign_class.__module__ = "foreign_package"
    setattr(foreign, foreign_class.__name__, foreign_class)
sys.modules["foreign_package"] = foreign


class RunsACommand:
    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def contiguous(tensors):
    return {name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}


def write_layouts():
    torch.manual_seed(0)
    model = Policy()
    model.body[1].running_mean.normal_()
    optimizer = torch.optim.AdamW(model.parameters())
    model.body(torch.randn(8, 6)).square().sum().backward()
    optimizer.step()
    state = model.state_dict()
    save_file(contiguous(state), path("expected_policy.safetensors"), {"made_by": "python"})
    torch.save(state, path("state_dict.pt"))
    torch.save(dict(state), path("protocol_4.pt"), pickle_protocol=4)
    torch.save(dict(state), path("protocol_5.pt"), pickle_protocol=5)
    torch.save(dict(state) | dict(model.named_parameters()), path("parameters.pt"))
    torch.save({"model_state_dict": state, "epoch": 3}, path("training_script.pt"))
    torch.save(model, path("policy_object.ckpt"))
    torch.save(
        {
            "state_dict": state,
            "pytorch-lightning_version": "2.4.0",
            "epoch": 7,
            "global_step": 2**70,
            "hyper_parameters": {"settings": Settings(), "seed": 1, "names": {"a", "b"}, "raw": b"\x00\xff"},
            "callbacks": {"checkpoint": collections.defaultdict(list, {"best": ["x"]})},
            "optimizer_states": [optimizer.state_dict()],
            "lr_schedulers": [numpy.float64(0.5), numpy.arange(3)],
            "loops": (None, True, -1.5, -(2**40)),
        },
        path("lightning.ckpt"),
    )


def write_dtypes():
    base = torch.arange(24).reshape(4, 6)
    tensors = {}
    for dtype in (torch.bool, torch.uint8, torch.int8, torch.uint16, torch.int16, torch.uint32, torch.int32,
                  torch.uint64, torch.int64, torch.float16, torch.bfloat16, torch.float32, torch.float64,
                  torch.complex64, torch.float8_e4m3fn, torch.float8_e5m2):
        tensors[str(dtype).removeprefix("torch.")] = base.to(dtype)
    shared = torch.arange(24.0)
    tensors |= {
        "transposed": shared.reshape(4, 6).t(),
        "row": shared[6:12],
        "every_third": shared[::3],
        "expanded": torch.tensor([[1.0], [2.0]]).expand(2, 5),
        "scalar": torch.tensor(3.0),
        "empty": torch.empty(0, 3),
    }
    torch.save(tensors, path("dtypes.pt"))
    save_file(contiguous(tensors), path("expected_dtypes.safetensors"))


def write_refused():
    model = nn.Linear(3, 2)
    state = model.state_dict()
    torch.save(state, path("legacy.pt"), _use_new_zipfile_serialization=False)
    torch.jit.script(model).save(path("torchscript.pt"))
    numpy.savez(path("array.npz"), numpy.ones(3))
    numpy.save(path("array.npy"), numpy.ones(3))
    with open(path("bare.pkl"), "wb") as file:
        pickle.dump({"a": 1}, file)
    torch.save([1, 2], path("list.pt"))
    torch.save({"epoch": 1}, path("no_weights.pt"))


def rewrite(source, target, compression=zipfile.ZIP_STORED, replaced=None):
    """Copies a zip archive with another compression or with the bytes of some entries replaced."""
    with zipfile.ZipFile(path(source)) as old, zipfile.ZipFile(path(target), "w", compression) as new:
        for name in old.namelist():
            data = old.read(name)
            for ending, bytes_of in (replaced or {}).items():
                if name.endswith(ending):
                    data = bytes_of(data)
            new.writestr(name, data)


def write_hostile():
    state = collections.OrderedDict(weight=torch.arange(6.0).reshape(2, 3), bias=torch.zeros(2))
    torch.save(state, path("small.pt"))
    torch.save(state | {"run": RunsACommand("touch " + path("was_executed"))}, path("os_system.pt"))
    torch.save(state | {"bias": torch.tensor([float("nan"), float("inf")])}, path("not_finite.pt"))
    rewrite("small.pt", "deflated.pt", zipfile.ZIP_DEFLATED)
    rewrite("small.pt", "big_endian.pt", replaced={"/byteorder": lambda _: b"big"})
    rewrite("small.pt", "short_storage.pt", replaced={"/data/0": lambda data: data[:-4]})
    # The size (2, 3) becomes (200, 3), which is larger than the storage.
    rewrite("small.pt", "larger_than_storage.pt",
            replaced={"/data.pkl": lambda data: data.replace(b"K\x02K\x03\x86", b"K\xc8K\x03\x86")})
    with zipfile.ZipFile(path("bomb.pt"), "w", zipfile.ZIP_DEFLATED) as archive:
        with zipfile.ZipFile(path("small.pt")) as small:
            archive.writestr("small/data.pkl", small.read("small/data.pkl"))
        with archive.open("small/data/0", "w") as entry:
            for _ in range(400):
                entry.write(bytes(1 << 20))


def with_pickle(name, data, key="0"):
    """Writes a torch archive whose pickle is `data`, with one storage of 64 bytes."""
    with zipfile.ZipFile(path(name), "w") as archive:
        archive.writestr("a/data.pkl", data)
        archive.writestr("a/data/" + key, bytes(64))


def write_storage_listed_twice():
    """Writes a file of the format before PyTorch 1.6 whose list of storages names the first of two twice."""
    name = path("listed_twice.pt")
    torch.save({"a": torch.ones(4), "b": torch.ones(4)}, name, _use_new_zipfile_serialization=False)
    with open(name, "rb") as file:
        data = file.read()
    keys = list(re.finditer(rb"\]q\x00\(X....(\d+)q\x01X....\d+q\x02e\.", data, re.DOTALL))[-1]
    twice = pickle.dumps([keys[1].decode()] * 2, protocol=2)[2:]
    with open(name, "wb") as file:
        file.write(data[:keys.start()] + twice + data[keys.end():])


def write_hostile_pickles():
    end = b"."
    with_pickle("endless_marks.pt", b"\x80\x02" + b"(" * 3_000_000 + end)
    with_pickle("endless_values.pt", b"\x80\x02(" + b"]" * 3_000_000 + b"t" + end)
    with_pickle("lying_text.pt", b"\x80\x02X\xff\xff\xff\x7fabc" + end)
    with_pickle("empty_stack.pt", b"\x80\x02R" + end)
    # A list of 10^5 items that is copied into a set 10^5 times.
    copies = b"\x80\x02(]q\x00(" + b"N" * 100_000 + b"e0"
    copies += b"cbuiltins\nset\nh\x00\x85R" * 100_000
    with_pickle("copies.pt", copies + b"t" + end)
    # A chain of modules, each of which contains the previous one twice.
    module = b"cforeign\nModule\n)\x81}(X\x0b\x00\x00\x00_parameters}X\x08\x00\x00\x00_modules}("
    chain = b"\x80\x02N"
    for _ in range(60):
        chain += b"q\x000" + module + b"U\x01ah\x00U\x01bh\x00uub"
    with_pickle("doubling_modules.pt", chain + end)
    # A class name of nearly 1,000 bytes, made 300,000 times from two strings.
    names = b"".join(b"X\xe0\x01\x00\x00" + b"a" * 480 + b"q" + bytes([key]) + b"0" for key in (0, 1))
    with_pickle("class_names.pt", b"\x80\x04" + names + b"h\x00h\x01\x930" * 300_000 + b"N" + end)
    # A storage's key of 60,000 bytes, copied 10,000 times.
    key = b"k" * 60_000
    storage = b"(U\x07storagectorch\nFloatStorage\nX\x60\xea\x00\x00" + key + b"U\x03cpuK\x10tq\x000"
    with_pickle("long_key.pt", b"\x80\x02" + storage + b"h\x00Q0" * 10_000 + b"N" + end, key=key.decode())
    # 100,000 objects with the same state of 100,000 entries.
    shared = b"\x80\x02U\x01aq\x000cforeign\nObject\nq\x010}(" + b"h\x00N" * 100_000 + b"uq\x020"
    with_pickle("shared_state.pt", shared + b"}(" + b"h\x00h\x01)\x81h\x02b" * 100_000 + b"u" + end)
    # A module with the same objects as children.
    children = b"X\x08\x00\x00\x00_modules}(" + b"h\x00h\x01)\x81h\x02b" * 100_000 + b"u"
    module = b"cforeign\nModule\n)\x81}(X\x0b\x00\x00\x00_parameters}" + children + b"ub"
    with_pickle("shared_child_state.pt", shared + module + end)
    # A dict that contains itself.
    with_pickle("cycle.pt", b"\x80\x02}q\x00U\x01ah\x00s" + end)
    # A tensor of 2^40 elements over a small storage, by a stride of 0.
    tensor = (b"\x80\x02}U\x01wctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nFloatStorage\n"
              b"U\x010U\x03cpuK\x10tQK\x00\x8a\x06\x00\x00\x00\x00\x00\x01\x85K\x00\x85\x89}tRs")
    with_pickle("zero_stride.pt", tensor + end)


LEWM_4 = {"attention.attention.query": (8, 8), "attention.attention.key": (8, 8), "attention.attention.value": (8, 8),
          "attention.output.dense": (8, 8), "intermediate.dense": (16, 8), "output.dense": (8, 16)}
LEWM_5 = {"attention.q_proj": (8, 8), "attention.k_proj": (8, 8), "attention.v_proj": (8, 8),
          "attention.o_proj": (8, 8), "mlp.fc1": (16, 8), "mlp.fc2": (8, 16)}


def lewm_state(layers, parts):
    generator = torch.Generator().manual_seed(1)

    def draw(*shape):
        return torch.randn(*shape, generator=generator)

    state = {"encoder.embeddings.cls_token": draw(1, 1, 8), "encoder.embeddings.position_embeddings": draw(1, 5, 8),
             "encoder.embeddings.patch_embeddings.projection.weight": draw(8, 3, 14, 14),
             "encoder.embeddings.patch_embeddings.projection.bias": draw(8)}
    for layer in range(2):
        for part, (rows, columns) in parts.items():
            state[f"encoder.{layers}.{layer}.{part}.weight"] = draw(rows, columns)
            state[f"encoder.{layers}.{layer}.{part}.bias"] = draw(rows)
        for norm in ("layernorm_before", "layernorm_after"):
            state[f"encoder.{layers}.{layer}.{norm}.weight"] = draw(8)
            state[f"encoder.{layers}.{layer}.{norm}.bias"] = draw(8)
    for name, shape in {"encoder.layernorm.weight": (8,), "encoder.layernorm.bias": (8,),
                        "projector.net.0.weight": (32, 8), "projector.net.0.bias": (32,),
                        "projector.net.1.weight": (32,), "projector.net.1.bias": (32,),
                        "projector.net.1.running_mean": (32,), "projector.net.1.running_var": (32,),
                        "projector.net.3.weight": (8, 32), "projector.net.3.bias": (8,)}.items():
        state[name] = draw(*shape)
    state["projector.net.1.num_batches_tracked"] = torch.tensor(5)
    return state


def write_lewm():
    old, new = lewm_state("encoder.layer", LEWM_4), lewm_state("layers", LEWM_5)
    save_file(old, path("expected_lewm.safetensors"))

    def prefixed(prefix, state):
        return {prefix + name: tensor for name, tensor in state.items()}

    rest = {"model.predictor.weight": torch.ones(2)}
    torch.save({"state_dict": prefixed("model.", old) | rest, "epoch": 1}, path("lewm_lightning.ckpt"))
    torch.save(prefixed("model._orig_mod.", new) | rest, path("lewm_compiled_5.pt"))
    torch.save(prefixed("module.", new), path("lewm_module_5.pt"))
    torch.save(old, path("lewm_weights.pt"))
    save_file(prefixed("model.", new), path("lewm_5.safetensors"))


os.makedirs(FOLDER, exist_ok=True)
write_layouts()
write_dtypes()
write_refused()
write_hostile()
write_hostile_pickles()
write_storage_listed_twice()
write_lewm()
