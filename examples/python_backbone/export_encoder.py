"""Exports an encoder as TorchScript, for use as a roboimi backbone.

    export_encoder.py encoder.pt
"""

import sys

import torch
from torch import nn


class Encoder(nn.Module):
    """Normalized float [N, 3, H, W] -> float [N, 64]; put your own model here."""

    def __init__(self):
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(3, 32, 8, stride=4), nn.ReLU(),
            nn.Conv2d(32, 64, 4, stride=2), nn.ReLU(),
            nn.Conv2d(64, 64, 3), nn.ReLU())

    def forward(self, pixels):
        return self.convolutions(pixels).mean((2, 3))


if __name__ == "__main__":
    torch.manual_seed(0)
    model = Encoder().eval()  # without eval(), dropout and BatchNorm would be exported in training mode
    torch.jit.script(model).save(sys.argv[1])
