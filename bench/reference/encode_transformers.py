"""The LEWM encoder with the transformers library, for bench/encode_bench.cpp.

For each line on stdin, encodes all frames once and prints the seconds it took.

    encode_transformers.py FRAMES BATCH THREADS
"""

import sys
import time

import torch
import torch.nn.functional as F
from transformers import ViTConfig, ViTModel

frames, batch, threads = (int(x) for x in sys.argv[1:4])
torch.set_num_threads(threads)
torch.manual_seed(1)
encoder = ViTModel(
    ViTConfig(hidden_size=192, num_hidden_layers=12, num_attention_heads=3, intermediate_size=768,
              image_size=224, patch_size=14), add_pooling_layer=False).eval()
projector = torch.nn.Sequential(torch.nn.Linear(192, 2048), torch.nn.BatchNorm1d(2048),
                                torch.nn.GELU(), torch.nn.Linear(2048, 192)).eval()
mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
views = [torch.randint(0, 256, (frames, 256, 256, 3), dtype=torch.uint8) for _ in range(3)]


@torch.inference_mode()
def encode(start):
    image = torch.cat([view[start:start + batch] for view in views], 2)
    pixels = (image.permute(0, 3, 1, 2).float() / 255 - mean) / std
    pixels = F.interpolate(pixels, size=(224, 224), mode="bilinear", antialias=True)
    out = encoder(pixel_values=pixels, interpolate_pos_encoding=True)
    return projector(out.last_hidden_state[:, 0])


for _ in sys.stdin:
    begin = time.perf_counter()
    for start in range(0, frames, batch):
        encode(start)
    print(time.perf_counter() - begin, flush=True)
