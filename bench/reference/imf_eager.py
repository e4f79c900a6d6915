"""The IMF head in eager PyTorch, for comparison with the C++ head (run by bench/imf_bench.cpp).

    .venv/bin/python bench/reference/imf_eager.py --threads 2 [--width 384 --layers 12 --batch 64]

Reads one word per line from stdin, does that work once and prints the seconds it took:

    plain         a typical training step: torch.func.jvp over the whole batch, all sources stacked at every sublayer,
                  loss, backward, gradient clipping, fused AdamW
    restructured  the same step, with v and the JVP only where r != t, and one product for a new source's logits
    chunk         one action chunk, batch 1, one step, sources stacked

`check` prints the largest difference between the losses and gradients of the two forms.
"""

import argparse
import math
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

COND, OBSERVATIONS, ACTION, HORIZON = 208, 2, 16, 16


def normalize(x):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)


class RmsNorm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return normalize(x) * self.weight


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.size = heads, width // heads
        for name in ["w_q", "w_k", "w_v", "w_o"]:
            setattr(self, name, nn.Linear(width, width, bias=False))
        angles = torch.outer(torch.arange(64.0), 1e4 ** (-torch.arange(0, self.size, 2) / self.size))
        self.register_buffer("rotations", torch.polar(torch.ones_like(angles), angles), persistent=False)

    def split(self, x):
        return x.unflatten(-1, (self.heads, self.size))

    def rope(self, x):
        # Always in float32, because there is no complex bfloat16.
        rotated = torch.view_as_complex(x.float().unflatten(-1, (-1, 2))) * self.rotations[: x.shape[1], None]
        return torch.view_as_real(rotated).flatten(-2).to(x.dtype)

    def forward(self, x):
        q, k, v = self.rope(self.split(self.w_q(x))), self.rope(self.split(self.w_k(x))), self.split(self.w_v(x))
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
        weights = torch.softmax(q @ k.transpose(-2, -1) / math.sqrt(self.size), -1)
        return self.w_o((weights @ v).transpose(1, 2).flatten(-2))


class SwiGlu(nn.Module):
    def __init__(self, width):
        super().__init__()
        inner = (int(2.667 * width) + 7) // 8 * 8
        self.w_gate, self.w_up = nn.Linear(width, inner, bias=False), nn.Linear(width, inner, bias=False)
        self.w_down = nn.Linear(inner, width, bias=False)

    def forward(self, x):
        return self.w_down(F.silu(self.w_gate(x)) * self.w_up(x))


class SubLayer(nn.Module):
    def __init__(self, width, fn):
        super().__init__()
        self.norm, self.query, self.fn = RmsNorm(width), nn.Parameter(torch.zeros(width)), fn

    def forward(self, h):
        return self.fn(self.norm(h))


class Head(nn.Module):
    def __init__(self, width, layers, heads=8):
        super().__init__()
        self.width = width
        self.input_emb, self.cond_obs_emb = nn.Linear(ACTION, width), nn.Linear(COND, width)
        self.time_token_proj = nn.Linear(width, width)
        self.layers = nn.ModuleList(
            SubLayer(width, Attention(width, heads) if i % 2 == 0 else SwiGlu(width)) for i in range(2 * layers))
        self.ln_f, self.head = RmsNorm(width), nn.Linear(width, ACTION)
        self.restructured = False
        for p in self.parameters():
            if p.dim() == 2:
                nn.init.normal_(p, 0, 0.02)

    def time_features(self, t):
        half = self.width // 2
        angle = t[:, None] * torch.exp(torch.arange(half, device=t.device) * (-math.log(1e4) / (half - 1)))
        return torch.cat([angle.sin(), angle.cos()], -1)

    def depth_stacked(self, x):
        sources = [x]
        for layer in self.layers:
            stacked = torch.stack(sources)
            weights = torch.softmax(torch.einsum("d,nbtd->nbt", layer.query, normalize(stacked)), 0)
            sources.append(layer(torch.einsum("nbt,nbtd->btd", weights, stacked)))
        return torch.stack(sources).sum(0)

    def depth_at_once(self, x):
        queries = torch.stack([layer.query for layer in self.layers])
        sources, logits, total = [], [], x
        output = x
        for i, layer in enumerate(self.layers):
            sources.append(output)
            logits.append((output @ queries.T) * torch.rsqrt(output.pow(2).mean(-1, keepdim=True) + 1e-6))
            weights = torch.softmax(torch.stack([column[..., i] for column in logits], -1), -1)
            h = sources[0] * weights[..., :1]
            for j in range(1, len(sources)):
                h = torch.addcmul(h, sources[j], weights[..., j : j + 1])
            output = layer(h)
            total = total + output
        return total

    def forward(self, z, r, t, cond):
        times = torch.stack([self.time_features(r), self.time_features(t)], 1)
        x = torch.cat([self.time_token_proj(times), self.cond_obs_emb(cond), self.input_emb(z)], 1)
        x = self.depth_at_once(x) if self.restructured else self.depth_stacked(x)
        return self.head(self.ln_f(x[:, -HORIZON:]))


def jvp_velocity(model, z, r, t, cond):
    with torch.no_grad():
        v = model(z, t, t, cond)
    u, du = torch.func.jvp(lambda z_, t_: model(z_, r, t_, cond), (z, t), (v, torch.ones_like(t)))
    return u + (t - r)[:, None, None] * du.detach()


def loss_of(model, data):
    x, e, r, t, cond = data["actions"], data["noise"], data["r"], data["t"], data["cond"]
    z = (1 - t)[:, None, None] * x + t[:, None, None] * e
    if model.restructured:
        half = len(x) // 2
        first, rest = slice(0, half), slice(half, None)
        compound = torch.cat([model(z[first], r[first], t[first], cond[first]),
                              jvp_velocity(model, z[rest], r[rest], t[rest], cond[rest])])
    else:
        compound = jvp_velocity(model, z, r, t, cond)
    return (torch.sqrt(1 + (compound - (e - x)).square()) - 1).mean()


def make_data(batch):
    half = batch // 2
    times = torch.sigmoid(torch.randn(2, batch) - 0.4)
    r, t = times.min(0).values, times.max(0).values
    r[:half] = t[:half] = times[0, :half]
    return {"actions": torch.randn(batch, HORIZON, ACTION), "noise": torch.randn(batch, HORIZON, ACTION),
            "cond": torch.randn(batch, OBSERVATIONS, COND), "r": r, "t": t}


class Worker:
    def __init__(self, width, layers, batch):
        torch.manual_seed(0)
        self.model, self.data = Head(width, layers), make_data(batch)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4, betas=(0.95, 0.999), weight_decay=1e-6,
                                           fused=True)
        self.cond = torch.randn(1, OBSERVATIONS, COND)

    def step(self, restructured):
        self.model.restructured = restructured
        self.optimizer.zero_grad()
        loss_of(self.model, self.data).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 10.0)
        self.optimizer.step()

    @torch.no_grad()
    def chunk(self):
        self.model.restructured = False
        noise = torch.randn(1, HORIZON, ACTION)
        return noise - self.model(noise, torch.zeros(1), torch.ones(1), self.cond)

    def check(self):
        results = []
        with torch.no_grad():
            for layer in self.model.layers:
                layer.query.normal_(0, 0.1)
        for form in [False, True]:
            self.model.restructured = form
            self.optimizer.zero_grad()
            loss = loss_of(self.model, self.data)
            loss.backward()
            results.append([loss.detach()] + [p.grad.clone() for p in self.model.parameters()])
        return max((a - b).abs().max().item() for a, b in zip(*results, strict=True))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in [("threads", 2), ("width", 384), ("layers", 12), ("batch", 64)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    worker = Worker(args.width, args.layers, args.batch)
    works = {"plain": lambda: worker.step(False), "restructured": lambda: worker.step(True), "chunk": worker.chunk}
    for line in sys.stdin:
        word = line.strip()
        if word == "check":
            print(worker.check(), flush=True)
            continue
        start = time.perf_counter()
        works[word]()
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
