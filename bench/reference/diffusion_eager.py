"""Diffusion Policy's head in eager PyTorch, for comparison with the C++ head (run by bench/diffusion_bench.cpp).

    .venv/bin/python bench/reference/diffusion_eager.py --threads 2 [--batch 64 --steps 10]

Reads one word per line from stdin, does that work once and prints the seconds it took:

    train  a typical training step: torch's decoder layers with dropout 0.3, loss, backward, clipping, fused AdamW
    chunk  one action chunk, batch 1, DDIM
"""

import argparse
import math
import sys
import time

import torch
import torch.nn as nn

COND, OBSERVATIONS, ACTION, HORIZON, WIDTH, LAYERS, HEADS, STEPS = 208, 2, 16, 16, 256, 8, 4, 100


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.input_emb, self.cond_obs_emb = nn.Linear(ACTION, WIDTH), nn.Linear(COND, WIDTH)
        self.pos_emb = nn.Parameter(0.02 * torch.randn(1, HORIZON, WIDTH))
        self.cond_pos_emb = nn.Parameter(0.02 * torch.randn(1, 1 + OBSERVATIONS, WIDTH))
        self.encoder = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.Mish(), nn.Linear(4 * WIDTH, WIDTH))
        layer = nn.TransformerDecoderLayer(WIDTH, HEADS, 4 * WIDTH, 0.3, "gelu", batch_first=True, norm_first=True)
        self.decoder = nn.TransformerDecoder(layer, LAYERS)
        self.ln_f, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, ACTION)
        hidden = torch.full((HORIZON, HORIZON), -math.inf)
        self.register_buffer("mask", hidden.triu(1))
        self.register_buffer("memory_mask", hidden[:, : 1 + OBSERVATIONS].triu(2))
        half = WIDTH // 2
        self.register_buffer("frequency", torch.exp(torch.arange(half) * (-math.log(1e4) / (half - 1))))

    def forward(self, z, step, cond):
        angle = step[:, None] * self.frequency
        time_token = torch.cat([angle.sin(), angle.cos()], -1)[:, None]
        memory = self.encoder(torch.cat([time_token, self.cond_obs_emb(cond)], 1) + self.cond_pos_emb)
        x = self.decoder(self.input_emb(z) + self.pos_emb, memory, tgt_mask=self.mask, memory_mask=self.memory_mask)
        return self.head(self.ln_f(x))


def alphas_cumprod():
    f = torch.cos((torch.arange(STEPS + 1) / STEPS + 0.008) / 1.008 * math.pi / 2) ** 2
    return torch.cumprod(1 - (1 - f[1:] / f[:-1]).clamp(max=0.999), 0)


class Worker:
    def __init__(self, batch, steps):
        torch.manual_seed(0)
        self.model, self.kept, self.steps = Head(), alphas_cumprod(), steps
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4, fused=True)
        self.actions, self.cond = torch.randn(batch, HORIZON, ACTION), torch.randn(batch, OBSERVATIONS, COND)

    def train(self):
        self.model.train()
        self.optimizer.zero_grad()
        step, noise = torch.randint(0, STEPS, (len(self.actions),)), torch.randn_like(self.actions)
        kept = self.kept[step][:, None, None]
        loss = (self.model(kept.sqrt() * self.actions + (1 - kept).sqrt() * noise, step, self.cond) - noise).square().mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 10.0)
        self.optimizer.step()

    @torch.inference_mode()
    def chunk(self):
        self.model.eval()
        x, cond, stride = torch.randn(1, HORIZON, ACTION), self.cond[:1], STEPS // self.steps
        for i in range(self.steps - 1, -1, -1):
            kept = self.kept[i * stride]
            previous = self.kept[(i - 1) * stride] if i > 0 else torch.tensor(1.0)
            noise = self.model(x, torch.full((1,), i * stride), cond)
            clean = ((x - (1 - kept).sqrt() * noise) / kept.sqrt()).clamp(-1, 1)
            x = previous.sqrt() * clean + (1 - previous).sqrt() * noise
        return x


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in [("threads", 2), ("batch", 64), ("steps", 10)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    worker = Worker(args.batch, args.steps)
    works = {"train": worker.train, "chunk": worker.chunk}
    for line in sys.stdin:
        start = time.perf_counter()
        works[line.strip()]()
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
