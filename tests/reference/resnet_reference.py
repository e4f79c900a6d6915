"""Computes ResNet features with an independent PyTorch implementation that uses torchvision's parameter names.

    resnet_reference.py OUT_DIR

For each NAME in CASES, writes NAME_weights.safetensors (with an fc layer, as in torchvision's files).
Also writes results.safetensors with NAME.image (uint8 [2, 70, 61, 3]) and NAME.features, and with
softmax.{features, weight, bias, keypoints} of a spatial softmax.
"""

import pathlib
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

CASES = {"resnet18_batch": (18, "batch"), "resnet18_group": (18, "group"),
         "resnet34_group": (34, "group"), "resnet50_batch": (50, "batch")}
BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


def parameters(depth, norm, generator):
    """A random state dict, built only from names and shapes."""
    state = {}

    def conv(name, outputs, inputs, kernel):
        fan = outputs * kernel * kernel
        state[name + ".weight"] = torch.randn(outputs, inputs, kernel, kernel,
                                              generator=generator) * (2 / fan) ** 0.5

    def normalization(name, channels):
        state[name + ".weight"] = torch.rand(channels, generator=generator) + 0.5
        state[name + ".bias"] = torch.randn(channels, generator=generator) * 0.2
        if norm == "batch":
            state[name + ".running_mean"] = torch.randn(channels, generator=generator) * 0.2
            state[name + ".running_var"] = torch.rand(channels, generator=generator) + 0.5
            state[name + ".num_batches_tracked"] = torch.tensor(77)

    conv("conv1", 64, 3, 7)
    normalization("bn1", 64)
    channels = 64
    for stage, count in enumerate(BLOCKS[depth]):
        width = 64 * 2 ** stage
        output = width * (4 if depth == 50 else 1)
        for i in range(count):
            name = f"layer{stage + 1}.{i}"
            if depth == 50:
                conv(name + ".conv1", width, channels, 1)
                conv(name + ".conv2", width, width, 3)
                conv(name + ".conv3", output, width, 1)
                normalization(name + ".bn3", output)
            else:
                conv(name + ".conv1", width, channels, 3)
                conv(name + ".conv2", width, width, 3)
            normalization(name + ".bn1", width)
            normalization(name + ".bn2", width)
            if i == 0 and (stage > 0 or channels != output):
                conv(name + ".downsample.0", output, channels, 1)
                normalization(name + ".downsample.1", output)
            channels = output
    state["fc.weight"] = torch.randn(1000, channels, generator=generator)
    state["fc.bias"] = torch.randn(1000, generator=generator)
    return state


def forward(state, depth, norm, x):
    def normalization(name, x):
        if norm == "batch":
            return F.batch_norm(x, state[name + ".running_mean"], state[name + ".running_var"],
                                state[name + ".weight"], state[name + ".bias"], False, 0.1, 1e-5)
        return F.group_norm(x, x.shape[1] // 16, state[name + ".weight"], state[name + ".bias"])

    def conv(name, x, stride=1):
        weight = state[name + ".weight"]
        return F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)

    x = F.relu(normalization("bn1", conv("conv1", x, 2)))
    x = F.max_pool2d(x, 3, 2, 1)
    for stage, count in enumerate(BLOCKS[depth]):
        for i in range(count):
            name = f"layer{stage + 1}.{i}"
            stride = 2 if stage > 0 and i == 0 else 1
            first, second = (1, stride) if depth == 50 else (stride, 1)
            y = F.relu(normalization(name + ".bn1", conv(name + ".conv1", x, first)))
            y = normalization(name + ".bn2", conv(name + ".conv2", y, second))
            if depth == 50:
                y = normalization(name + ".bn3", conv(name + ".conv3", F.relu(y)))
            if name + ".downsample.0.weight" in state:
                x = normalization(name + ".downsample.1", conv(name + ".downsample.0", x, stride))
            x = F.relu(x + y)
    return x


def spatial_softmax(features, weight, bias):
    """The expected (x, y) of each keypoint, computed position by position."""
    maps = F.conv2d(features, weight, bias)
    count, keypoints, height, width = maps.shape
    result = torch.zeros(count, keypoints, 2)
    for n in range(count):
        for k in range(keypoints):
            p = torch.exp(maps[n, k] - maps[n, k].max())
            p = p / p.sum()
            for row in range(height):
                for column in range(width):
                    result[n, k, 0] += p[row, column] * (2 * column / (width - 1) - 1)
                    result[n, k, 1] += p[row, column] * (2 * row / (height - 1) - 1)
    return result.flatten(1)


@torch.no_grad()
def main(folder):
    torch.set_num_threads(2)
    generator = torch.Generator().manual_seed(3)
    folder.mkdir(parents=True, exist_ok=True)
    results = {}
    for name, (depth, norm) in CASES.items():
        state = parameters(depth, norm, generator)
        image = torch.randint(0, 256, (2, 70, 61, 3), generator=generator, dtype=torch.uint8)
        pixels = (image.permute(0, 3, 1, 2).float() / 255 - MEAN) / STD
        results[name + ".image"] = image
        results[name + ".features"] = forward(state, depth, norm, pixels).mean((2, 3))
        save_file(state, folder / f"{name}_weights.safetensors")
    features = torch.randn(2, 8, 4, 5, generator=generator)
    weight = torch.randn(6, 8, 1, 1, generator=generator)
    bias = torch.randn(6, generator=generator)
    results |= {"softmax.features": features, "softmax.weight": weight, "softmax.bias": bias,
                "softmax.keypoints": spatial_softmax(features, weight, bias)}
    save_file(results, folder / "results.safetensors")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
