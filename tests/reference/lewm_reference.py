"""Writes reference embeddings of LEWM computed with transformers, to which the C++ encoder is compared.

    lewm_reference.py full OUT_DIR     full-size ViT-tiny (takes seconds of CPU time)
    lewm_reference.py small OUT_DIR    the golden files in tests/golden/lewm_vit

Writes lewm4.safetensors and lewm5.safetensors (the same model with the parameter names of transformers
4.x and 5.x) and cases.safetensors: CASE.front, CASE.top, CASE.r_vis (uint8 views) and CASE.embedding. The
small set adds resize.N.image (uint8) and resize.N.pixels.
"""

import pathlib
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from transformers import ViTConfig, ViTModel

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
CAMERAS = ["front", "top", "r_vis"]


class Projector(torch.nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.net = torch.nn.Sequential(
            torch.nn.Linear(width, hidden), torch.nn.BatchNorm1d(hidden), torch.nn.GELU(),
            torch.nn.Linear(hidden, width))

    def forward(self, x):
        return self.net(x)


class Lewm(torch.nn.Module):
    def __init__(self, hidden, layers, heads, intermediate, patch, image, projector):
        super().__init__()
        config = ViTConfig(hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads,
                           intermediate_size=intermediate, image_size=image, patch_size=patch)
        self.encoder = ViTModel(config, add_pooling_layer=False, use_mask_token=False)
        self.projector = Projector(hidden, projector)

    def forward(self, pixels):
        out = self.encoder(pixel_values=pixels, interpolate_pos_encoding=True)
        return self.projector(out.last_hidden_state[:, 0])


def preprocess(images, size):
    """uint8 [N, H, W, 3] -> float pixels [N, 3, *size]: normalized first, then resized."""
    pixels = (images.permute(0, 3, 1, 2).float() / 255 - MEAN) / STD
    return F.interpolate(pixels, size=size, mode="bilinear", antialias=True, align_corners=False)


def fuse(views, layout):
    views = [views[name] for name in CAMERAS if name in views]
    if layout == "grid":
        views = views + [torch.zeros_like(views[0])]
        return torch.cat([torch.cat(views[:2], 2), torch.cat(views[2:], 2)], 1)
    return torch.cat(views, {"horizontal": 2, "vertical": 1}[layout])


def randomize(model, generator):
    """Sets weights and statistics to values far from their initial ones."""
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if "layernorm" in name or "net.1" in name:
            parameter.data = 0.2 * noise + (1.0 if name.endswith("weight") else 0.0)
        elif parameter.dim() > 1 and "embeddings" not in name:
            parameter.data = noise * 1.5 / parameter.shape[-1] ** 0.5
        elif "projection.weight" in name:
            parameter.data = noise / parameter[0].numel() ** 0.5
        else:
            parameter.data = 0.3 * noise
    norm = model.projector.net[1]
    norm.running_mean = torch.randn(norm.running_mean.shape, generator=generator)
    norm.running_var = torch.rand(norm.running_var.shape, generator=generator) * 2 + 0.1
    norm.num_batches_tracked += 1234


def smooth(count, height, width, generator):
    """Random images with structure at several scales, similar to camera images."""
    total = torch.zeros(count, 3, height, width)
    for cells in (2, 5, 11, 40):
        noise = torch.randn(count, 3, cells, cells, generator=generator)
        total += F.interpolate(noise, size=(height, width), mode="bilinear") / cells ** 0.3
    return (total * 45 + 128).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


OLD_NAMES = [("layers.", "encoder.layer."), ("attention.q_proj", "attention.attention.query"),
             ("attention.k_proj", "attention.attention.key"),
             ("attention.v_proj", "attention.attention.value"),
             ("attention.o_proj", "attention.output.dense"), ("mlp.fc1", "intermediate.dense"),
             ("mlp.fc2", "output.dense")]


def old_name(name):
    if not name.startswith("encoder.layers."):
        return name
    inner = name[len("encoder."):]
    for new, old in OLD_NAMES:
        inner = inner.replace(new, old, 1)
    return "encoder." + inner


@torch.no_grad()
def main(kind, folder):
    torch.set_num_threads(2)
    generator = torch.Generator().manual_seed(20)
    full = kind == "full"
    model = Lewm(192, 12, 3, 768, 14, 224, 2048) if full else Lewm(32, 2, 2, 64, 8, 32, 64)
    randomize(model, generator)
    model.eval()
    height, width = (256, 256) if full else (20, 24)
    side = 224 if full else 32
    cases = {}  # name -> (views, layout, size)

    def views(count):
        return {name: smooth(count, height, width, generator) for name in CAMERAS}

    one = smooth(1, side, side, generator)
    cases["single"] = ({"front": one}, "horizontal", (side, side))
    cases["fused"] = (views(1), "horizontal", (side, side))
    cases["vertical"] = (views(1), "vertical", (side, side))
    cases["grid"] = (views(1), "grid", (side, side))
    cases["nonsquare"] = (views(1), "horizontal", (side, side * 3 * width // height))
    cases["batch"] = (views(32 if full else 3), "horizontal", (side, side))

    # Scale the last layer so that embeddings have unit standard deviation.
    pixels = preprocess(fuse(cases["batch"][0], "horizontal"), (side, side))
    scale = model(pixels).std()
    model.projector.net[3].weight.data /= scale
    model.projector.net[3].bias.data /= scale

    tensors = {}
    for name, (images, layout, size) in cases.items():
        for camera, image in images.items():
            tensors[f"{name}.{camera}"] = image
        pixels = preprocess(fuse(images, layout), size)
        tensors[f"{name}.embedding"] = model(pixels)
    if not full:
        sizes = [((37, 23), (19, 41)), ((16, 16), (16, 16)), ((9, 50), (31, 7)), ((5, 5), (23, 64))]
        for i, (source, target) in enumerate(sizes):
            image = torch.randint(0, 256, (2, *source, 3), generator=generator, dtype=torch.uint8)
            tensors[f"resize.{i}.image"] = image
            tensors[f"resize.{i}.pixels"] = preprocess(image, target).contiguous()

    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    folder.mkdir(parents=True, exist_ok=True)
    save_file({f"model.{old_name(name)}": value for name, value in state.items()},
              folder / "lewm4.safetensors")
    if full:
        save_file({f"model.{name}": value for name, value in state.items()},
                  folder / "lewm5.safetensors")
    save_file(tensors, folder / "cases.safetensors")


if __name__ == "__main__":
    main(sys.argv[1], pathlib.Path(sys.argv[2]))
