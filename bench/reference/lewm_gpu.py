"""LEWM's pretraining step and its encoder with PyTorch on a GPU, for comparison with roboimi (run by scripts/gpu_check.sh).

    python3 bench/reference/lewm_gpu.py [--batch 128 --side 224 --view 256] [--device cuda]

A step starts from uint8 frames on the device: it joins, normalizes and resizes three views, and consists of loss,
backward, clipping and fused AdamW, under autocast in bfloat16. For each variant it prints a line of JSON as soon as the
result is known: {"name": ..., "ms": ...}, {"name": ..., "frames_per_second": ...} or {"name": ..., "error": ...}.

Without a GPU (--device cpu, tiny sizes), everything runs eagerly. This only tests that the program works.
"""

import argparse
import json

import torch
import torch.nn.functional as F
from imf_gpu import allow_tf32, captured, milliseconds
from torch import nn

HISTORY, FRAMESKIP, ACTIONS = 3, 5, 16
KNOTS, PROJECTIONS = 17, 1024
ENCODED = 256  # frames of an encoded block


class Block(nn.Module):
    def __init__(self, width, heads, hidden, eps):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width, eps), nn.LayerNorm(width, eps)
        self.q, self.k, self.v, self.o = (nn.Linear(width, width) for _ in range(4))
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x):
        n = self.norm1(x)
        q, k, v = (f(n).unflatten(-1, (self.heads, -1)).transpose(1, 2) for f in (self.q, self.k, self.v))
        x = x + self.o(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class Vit(nn.Module):
    def __init__(self, args):
        super().__init__()
        self.patches = nn.Conv2d(3, args.width, 14, 14)
        self.cls = nn.Parameter(torch.randn(1, 1, args.width) * 0.02)
        self.positions = nn.Parameter(torch.randn(1, (args.side // 14) ** 2 + 1, args.width) * 0.02)
        self.blocks = nn.ModuleList(Block(args.width, 3, 4 * args.width, 1e-12) for _ in range(args.layers))
        self.norm = nn.LayerNorm(args.width, 1e-12)

    def forward(self, pixels):
        tokens = self.patches(pixels).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(len(pixels), -1, -1), tokens], 1) + self.positions
        for block in self.blocks:
            x = block(x)
        return self.norm(x[:, 0])


class Attention(nn.Module):
    def __init__(self, width, heads=16, size=64):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * heads * size, bias=False), nn.Linear(heads * size, width)

    def forward(self, x):
        q, k, v = self.qkv(self.norm(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, dropout_p=0.1, is_causal=True)
        return F.dropout(self.out(mixed.transpose(1, 2).flatten(2)), 0.1)


class Modulated(nn.Module):
    def __init__(self, width, hidden=2048):
        super().__init__()
        self.attention = Attention(width)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, hidden),
            nn.GELU(),
            nn.Dropout(0.1),
            nn.Linear(hidden, width),
            nn.Dropout(0.1),
        )
        self.modulation = nn.Linear(width, 6 * width)

    def forward(self, x, condition):
        m = self.modulation(F.silu(condition)).chunk(6, -1)
        width = x.shape[-1:]
        x = x + m[2] * self.attention(F.layer_norm(x, width, eps=1e-6) * (1 + m[1]) + m[0])
        return x + m[5] * self.mlp(F.layer_norm(x, width, eps=1e-6) * (1 + m[4]) + m[3])


def projector(width):
    return nn.Sequential(nn.Linear(width, 2048), nn.BatchNorm1d(2048), nn.GELU(), nn.Linear(2048, width))


class World(nn.Module):
    def __init__(self, args):
        super().__init__()
        self.args, width = args, args.width
        self.encoder, self.projector, self.pred_proj = Vit(args), projector(width), projector(width)
        self.actions = nn.Sequential(
            nn.Linear(FRAMESKIP * ACTIONS, 10), nn.Linear(10, 4 * width), nn.SiLU(), nn.Linear(4 * width, width)
        )
        self.positions = nn.Parameter(torch.randn(1, HISTORY, width))
        self.blocks = nn.ModuleList(Modulated(width) for _ in range(args.predictor_depth))
        self.norm = nn.LayerNorm(width)
        for name, values in [("mean", (0.485, 0.456, 0.406)), ("std", (0.229, 0.224, 0.225))]:
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1))

    def pixels(self, views):
        image = torch.cat(views, 2).permute(0, 3, 1, 2).float().div(255)
        return F.interpolate((image - self.mean) / self.std, size=(self.args.side,) * 2, mode="bilinear", antialias=True)

    def embed(self, views):
        with torch.no_grad():
            pixels = self.pixels(views)
        return self.projector(self.encoder(pixels))

    def loss(self, views, actions):
        e = self.embed(views).unflatten(0, (-1, HISTORY + 1))
        condition = self.actions(actions)
        x = e[:, :HISTORY] + self.positions
        for block in self.blocks:
            x = block(x, condition)
        predicted = self.pred_proj(self.norm(x).flatten(0, 1)).unflatten(0, (-1, HISTORY))
        e = e.float()
        return (predicted.float() - e[:, 1:]).square().mean() + 0.09 * self.sigreg(e)

    def sigreg(self, e):
        with torch.autocast(e.device.type, enabled=False):
            directions = torch.randn(e.shape[2], PROJECTIONS, device=e.device)
            t = torch.linspace(0, 3, KNOTS, device=e.device)
            normal = torch.exp(-t.square() / 2)
            angles = (e @ (directions / directions.norm(dim=0))).unsqueeze(-1) * t
            error = (angles.cos().mean(0) - normal).square() + angles.sin().mean(0).square()
            return (error * normal).sum(-1).mean() * len(e) * 6 / (KNOTS - 1)


class Step:
    def __init__(self, args):
        torch.manual_seed(0)
        self.device, on_gpu = torch.device(args.device), args.device != "cpu"
        self.world = World(args).to(self.device)
        self.parameters = list(self.world.parameters())
        for p in self.parameters:
            p.grad = torch.zeros_like(p)
        rate = torch.tensor(5e-5, device=self.device) if on_gpu else 5e-5
        self.optimizer = torch.optim.AdamW(self.parameters, lr=rate, weight_decay=1e-3, fused=True, capturable=on_gpu)
        self.views = random_views(args, args.batch * (HISTORY + 1))
        self.actions = torch.randn(args.batch, HISTORY, FRAMESKIP * ACTIONS, device=self.device)

    def __call__(self):
        self.optimizer.zero_grad(set_to_none=False)
        with torch.autocast(self.device.type, torch.bfloat16, cache_enabled=False):
            loss = self.world.loss(self.views, self.actions)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()


def random_views(args, frames):
    return [
        torch.randint(0, 256, (frames, args.view, args.view, 3), dtype=torch.uint8, device=args.device) for _ in range(3)
    ]


def report(name, key, measure):
    try:
        row = {"name": name, key: round(measure(), 3)}
    except Exception as error:  # continue with the other forms
        row = {"name": name, "error": " ".join(str(error).split())[:200]}
    print(json.dumps(row), flush=True)


def pretraining(args):
    step = Step(args)
    report("LEWM pretraining, bf16, eager", "ms", lambda: milliseconds(step, args.repeats, args.device))
    if args.device != "cpu":
        report("LEWM pretraining, bf16, one graph", "ms", lambda: milliseconds(captured(step), args.repeats, args.device))


def encoding(args):
    torch.manual_seed(0)
    frames = ENCODED if args.device != "cpu" else 4
    world = World(args).to(args.device).eval()
    views = random_views(args, frames)

    def encode(dtype):
        with torch.no_grad(), torch.autocast(views[0].device.type, torch.bfloat16, enabled=dtype == "bf16"):
            return world.embed(views)

    forms = {"fp32": lambda: encode("fp32"), "bf16": lambda: encode("bf16")}
    for name, work in forms.items():
        rate = lambda w=work: frames / milliseconds(w, args.repeats, args.device) * 1e3  # noqa: E731
        report(f"encoding blocks of {frames} on the device, {name}, eager", "frames_per_second", rate)
        if args.device == "cpu":
            continue
        rate = lambda w=work: frames / milliseconds(captured(w), args.repeats, args.device) * 1e3  # noqa: E731
        report(f"encoding blocks of {frames} on the device, {name}, one graph", "frames_per_second", rate)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in [
        ("batch", 128),
        ("side", 224),
        ("view", 256),
        ("width", 192),
        ("layers", 12),
        ("predictor-depth", 6),
        ("repeats", 20),
        ("encoded-side", 112),
        ("encoded-view", 128),
    ]:
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--device", default="cuda")
    args = parser.parse_args()
    allow_tf32(True)
    pretraining(args)
    args.side, args.view = args.encoded_side, args.encoded_view
    encoding(args)


if __name__ == "__main__":
    main()
