"""Writes the weights of one small network in the file formats that people use.

    python write_foreign_weights.py FOLDER

expected.safetensors, written with the safetensors package, holds the weights. Averaged weights are larger by 1.
"""
import json
import os
import sys
import types
import zipfile

import torch
from safetensors.torch import save_file
from torch import nn

FOLDER = sys.argv[1]


def path(*names):
    return os.path.join(FOLDER, *names)


foreign = types.ModuleType("foreign_package")


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
        self.register_buffer("mask", torch.tensor([True, False, True]))


class Wrapper:
    """An object that is not a module but contains one."""

    def __init__(self, net):
        self.net = net
        self.step = 3


for foreign_class in (Net, Wrapper):
    foreign_class.__module__ = "foreign_package"
    setattr(foreign, foreign_class.__name__, foreign_class)
sys.modules["foreign_package"] = foreign


def write_nested(state, average):
    torch.save({"cfg": {"a": 1}, "state_dicts": {"model": state, "ema_model": average}, "pickles": {"epoch": b"x"}},
               path("workspace.ckpt"))
    torch.save({"state_dicts": {"model": state, "ema_model": state}}, path("same.ckpt"))
    torch.save({"net": state, "epoch": 3, "loss": torch.tensor(0.5)}, path("net.pt"))
    torch.save({"run": {"best": {"weights": state}}, "rng": {"cpu": torch.get_rng_state()}}, path("deep.pt"))
    torch.save((state, {"epoch": 1}), path("tuple.pt"))
    torch.save({"model": state, "model_ema": average}, path("beside.pt"))
    torch.save({f"{start}.{name}": tensor for start, tensors in (("model", state), ("ema_model", average))
                for name, tensor in tensors.items()}, path("flat.pt"))


def write_old(net, state):
    torch.save(state, path("legacy.pt"), _use_new_zipfile_serialization=False)
    torch.save(net, path("legacy_module.pt"), _use_new_zipfile_serialization=False)


def write_zipped(state):
    torch.save(state, path("w.pt"))
    with zipfile.ZipFile(path("w.pt")) as whole:
        for name, start in (("renamed.pt", "w copy/"), ("bare.pt", ""), ("deeper.pt", "out/w/")):
            with zipfile.ZipFile(path(name), "w", zipfile.ZIP_DEFLATED) as packed:
                packed.writestr("__MACOSX/w/._data.pkl", b"not a pickle")
                for entry in whole.namelist():
                    packed.writestr(start + entry.split("/", 1)[1], whole.read(entry))
        whole.extractall(path("unpacked"))
    with zipfile.ZipFile(path("w.pt.zip"), "w", zipfile.ZIP_DEFLATED) as packed:
        packed.write(path("w.pt"), "w.pt")


def write_shards(state):
    os.makedirs(path("sharded"))
    names = list(state)
    shards = {"model-00001-of-00002.safetensors": names[:2], "model-00002-of-00002.safetensors": names[2:]}
    for shard, held in shards.items():
        save_file({name: state[name].clone() for name in held}, path("sharded", shard))
    index = {"metadata": {"total_size": 1}, "weight_map": {name: shard for shard, held in shards.items() for name in held}}
    with open(path("sharded", "model.safetensors.index.json"), "w") as file:
        json.dump(index, file)


def write_unread(net, state):
    quantized = torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)
    torch.save(state | {"quantized": quantized, "sparse": torch.eye(2).to_sparse(),
                        "parameter": nn.Parameter(quantized, requires_grad=False),
                        "conjugated": torch.ones(2, dtype=torch.complex64).conj()}, path("unread.pt"))
    torch.save(Wrapper(net), path("wrapper.pt"))


os.makedirs(FOLDER, exist_ok=True)
torch.manual_seed(0)
model = Net()
weights = model.state_dict()
average = {name: tensor + 1 if tensor.is_floating_point() else tensor for name, tensor in weights.items()}
save_file({name: tensor.clone() for name, tensor in weights.items()}, path("expected.safetensors"))
write_nested(weights, average)
write_old(model, weights)
write_zipped(weights)
write_shards(weights)
write_unread(model, weights)
