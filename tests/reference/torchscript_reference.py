"""Writes encoders as users export them, and their features computed in PyTorch's eager mode.

    torchscript_reference.py OUT_DIR

Writes NAME.pt for the encoders below, some files that are not TorchScript archives, and
results.safetensors: front, top (uint8 [2, 3, 40, 48, 3]) and NAME.front, NAME.top or NAME.joint
(features [2, 3, D] of those frames).
"""

import pathlib
import sys
import warnings

import torch
import torch.nn.functional as F
import transformers
from safetensors.torch import save_file
from torch import nn
from transformers import ViTConfig, ViTModel

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


class ConvNet(nn.Module):
    """A network with layers that behave differently in training and evaluation, and with a shared weight."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 5, stride=2), nn.BatchNorm2d(8), nn.ReLU())
        self.first = nn.Linear(8, 8)
        self.second = nn.Linear(8, 8)
        self.second.weight = self.first.weight
        self.dropout = nn.Dropout(0.5)
        self.scale = nn.Parameter(torch.tensor([1.5]), requires_grad=False)
        self.register_buffer("shift", torch.linspace(-1, 1, 8))

    def forward(self, x):
        x = self.stem(x).mean((2, 3))
        return self.second(self.dropout(torch.tanh(self.first(x)))) * self.scale + self.shift


class Joint(nn.Module):
    """[N, cameras, 3, H, W] -> [N, 8], with a different weight for each camera."""

    def __init__(self):
        super().__init__()
        self.encoder = ConvNet()
        self.factors = torch.tensor([1.0, -2.0]).view(1, 2, 1)  # neither a parameter nor a buffer

    def forward(self, x):
        features = self.encoder(x.flatten(0, 1)).view(x.shape[0], x.shape[1], 8)
        return (features * self.factors).sum(1)


class Sized(nn.Module):
    """A feature vector whose size depends on the image size."""

    def forward(self, x):
        return x.flatten(1)


class Maps(nn.Module):
    def forward(self, x):
        return F.avg_pool2d(x, 8)


class Classes(nn.Module):
    def forward(self, x):
        return x.mean((2, 3)).argmax(1, keepdim=True)


class Raises(nn.Module):
    def forward(self, x):
        if x.shape[2] != 224:
            raise ValueError("images must have 224 rows")
        return x.mean((2, 3))


class Channels(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(6, 4, 3)

    def forward(self, x):
        return self.stem(x).mean((2, 3))


class Detached(ConvNet):
    def forward(self, x):
        return self.stem(x).mean((2, 3)).detach()


class Tuple(ConvNet):
    def forward(self, x):
        feature = self.stem(x).mean((2, 3))
        return feature.unsqueeze(1), feature


class FixedBatch(nn.Module):
    def forward(self, x):
        return x.mean((2, 3)).view(1, -1)


def randomized(module, generator):
    """Sets weights and statistics to values far from their initial ones."""
    for tensor in list(module.parameters()) + list(module.buffers()):
        if tensor.is_floating_point() and tensor.numel() > 1:
            tensor.data.copy_(torch.rand(tensor.shape, generator=generator) - 0.3)
    for name, tensor in module.named_buffers():
        if name.endswith("running_var"):
            tensor.add_(0.8)
    return module.eval()


def prepared(frames, size=None):
    pixels = (frames.flatten(0, 1).permute(0, 3, 1, 2).float() / 255 - MEAN) / STD
    if size:
        pixels = F.interpolate(pixels, size, mode="bilinear", antialias=True)
    return pixels


@torch.no_grad()
def write_encoders(folder, generator):
    images = {name: torch.randint(0, 256, (2, 3, 40, 48, 3), generator=generator,
                                  dtype=torch.uint8) for name in ("front", "top")}
    results = dict(images)
    example = torch.zeros(1, 3, 40, 48)

    def expect(name, function, size=None):
        for camera, frames in images.items():
            feature = function(prepared(frames, size))
            results[f"{name}.{camera}"] = feature.float().view(2, 3, -1).contiguous()

    net = randomized(ConvNet(), generator)
    torch.jit.script(net).save(folder / "scripted.pt")
    torch.jit.trace(net, example).save(folder / "traced.pt")
    torch.jit.freeze(torch.jit.script(net)).save(folder / "constants.pt")
    expect("conv", net)
    expect("resized", net, (24, 20))

    vit = ViTModel(ViTConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
                             intermediate_size=48, image_size=32, patch_size=8),
                   add_pooling_layer=False).eval()
    example_32 = torch.zeros(1, 3, 32, 32)
    torch.jit.trace(vit, example_32, strict=False).save(folder / "vit.pt")
    expect("vit_cls", lambda x: vit(x).last_hidden_state[:, 0], (32, 32))
    expect("vit_mean", lambda x: vit(x).last_hidden_state.mean(1), (32, 32))

    joint = randomized(Joint(), generator)
    torch.jit.script(joint).save(folder / "joint.pt")
    for name, order in {"joint": ("front", "top"), "joint_turned": ("top", "front")}.items():
        views = torch.stack([prepared(images[camera]) for camera in order], 1)
        results[name] = joint(views).view(2, 3, 8)

    pair = randomized(Tuple(), generator)
    torch.jit.script(pair).save(folder / "tuple.pt")
    expect("tuple", lambda x: pair(x)[1])

    half = randomized(Tuple(), generator).bfloat16()
    torch.jit.script(half).save(folder / "half.pt")
    expect("half", lambda x: half(x.bfloat16())[1])
    save_file(results, folder / "results.safetensors")


def write_mistakes(folder, generator):
    example = torch.zeros(1, 3, 40, 48)
    for module in (Sized(), Maps(), Classes(), Raises(), Channels(), Detached()):
        torch.jit.script(module).save(folder / f"{type(module).__name__.lower()}.pt")
    torch.jit.trace(FixedBatch(), example).save(folder / "fixed_batch.pt")
    training = randomized(ConvNet(), generator)
    training.dropout.train()
    torch.jit.trace(training, example, check_trace=False).save(folder / "dropout.pt")
    training.eval().stem.train()
    torch.jit.trace(training, example, check_trace=False).save(folder / "batch_norm.pt")

    state = ConvNet().state_dict()
    torch.save(state, folder / "state_dict.pt")
    torch.save(state, folder / "legacy.pt", _use_new_zipfile_serialization=False)
    save_file({"weight": torch.ones(2)}, folder / "weights.safetensors")
    torch.export.save(torch.export.export(Sized(), (example,)), folder / "program.pt2")


if __name__ == "__main__":
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")  # warnings of torch.jit.trace
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(2)
    torch.manual_seed(5)
    draws = torch.Generator().manual_seed(5)
    write_encoders(out, draws)
    write_mistakes(out, draws)
