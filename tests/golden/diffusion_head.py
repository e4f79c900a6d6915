"""Golden tensors for tests/plugins/diffusion_head: torch's own decoder layers, and diffusers' schedulers.

    .venv/bin/pip install --no-deps --target /tmp/golden diffusers==0.42.1 importlib_metadata==10.2.0 zipp==4.1.2
    .venv/bin/pip install --target /tmp/golden requests==2.34.2
    PYTHONPATH=/tmp/golden .venv/bin/python tests/golden/diffusion_head.py

writes diffusion_head.safetensors beside itself. diffusers is needed here alone; its other dependencies come with
scripts/requirements-test.txt. Everything is float64 but what the schedulers give as float32 (`schedule.*`): for the
chains their tables are replaced by the same formula in float64.
"""

import math
import pathlib

import torch
import torch.nn as nn
from diffusers import DDIMScheduler, DDPMScheduler
from diffusers.schedulers import scheduling_ddpm
from safetensors.torch import save_file

WIDTH, LAYERS, HEADS, ACTION, COND, OBSERVATIONS, HORIZON, BATCH = 16, 2, 4, 3, 5, 2, 4, 4
STEPS, CHAIN, TIME_SCALE = 100, 7, 100.0
FEW = ["head.weight", "input_emb.weight", "cond_pos_emb", "decoder.layers.1.multihead_attn.in_proj_weight"]


class Network(nn.Module):
    """The transformer, with the names that its state_dict has in public."""

    def __init__(self):
        super().__init__()
        self.input_emb, self.cond_obs_emb = nn.Linear(ACTION, WIDTH), nn.Linear(COND, WIDTH)
        self.pos_emb = nn.Parameter(torch.empty(1, HORIZON, WIDTH))
        self.cond_pos_emb = nn.Parameter(torch.empty(1, 1 + OBSERVATIONS, WIDTH))
        self.encoder = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.Mish(), nn.Linear(4 * WIDTH, WIDTH))
        layer = nn.TransformerDecoderLayer(WIDTH, HEADS, 4 * WIDTH, 0.0, "gelu", batch_first=True, norm_first=True)
        self.decoder = nn.TransformerDecoder(layer, LAYERS)
        self.ln_f, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, ACTION)

    def forward(self, z, times, cond, mask="causal"):
        rows = [[f(t * 10000.0 ** (-k / (WIDTH // 2 - 1))) for f in (math.sin, math.cos) for k in range(WIDTH // 2)]
                for t in times.tolist()]
        seen = torch.cat([torch.tensor(rows)[:, None], self.cond_obs_emb(cond)], 1)
        hidden = torch.tensor([[mask == "causal" and s - 1 > t for s in range(1 + OBSERVATIONS)]
                               for t in range(HORIZON)])
        later = torch.tensor([[s > t for s in range(HORIZON)] for t in range(HORIZON)])
        x = self.decoder(self.input_emb(z) + self.pos_emb, self.encoder(seen + self.cond_pos_emb), tgt_mask=later,
                         memory_mask=hidden)
        return self.head(self.ln_f(x))


def alphas_cumprod():
    def kept(u):
        return math.cos((u + 0.008) / 1.008 * math.pi / 2) ** 2

    betas = [min(1 - kept((t + 1) / STEPS) / kept(t / STEPS), 0.999) for t in range(STEPS)]
    return torch.tensor(betas), torch.cumprod(1 - torch.tensor(betas), 0)


def scheduler(kind, prediction, clip):
    chosen = {"ddpm": DDPMScheduler, "ddim": DDIMScheduler}[kind]
    s = chosen(num_train_timesteps=STEPS, beta_schedule="squaredcos_cap_v2", prediction_type=prediction,
               clip_sample=clip)
    betas, kept = alphas_cumprod()
    assert torch.allclose(s.betas.double(), betas, atol=1e-6) and torch.allclose(s.alphas_cumprod.double(), kept, atol=1e-6)
    s.betas, s.alphas, s.alphas_cumprod = betas, 1 - betas, kept
    s.one = s.final_alpha_cumprod = torch.tensor(1.0)
    return s


def chain(kind, prediction, clip, x, outputs, noises):
    """The states after each step, for given network outputs and noises."""
    s = scheduler(kind, prediction, clip)
    s.set_timesteps(CHAIN)
    rest = iter(noises)
    drawn, scheduling_ddpm.randn_tensor = scheduling_ddpm.randn_tensor, lambda *a, **k: next(rest)
    states = []
    for t, output in zip(s.timesteps, outputs, strict=True):
        x = s.step(output, t, x).prev_sample
        states.append(x)
    scheduling_ddpm.randn_tensor = drawn
    return torch.stack(states)


@torch.no_grad()
def sample(network, kind, steps, z, cond):
    s = scheduler(kind, "epsilon", True)
    s.set_timesteps(steps)
    generator = torch.Generator().manual_seed(7)
    for t in s.timesteps:
        z = s.step(network(z, t.double().expand(BATCH), cond), t, z, generator=generator).prev_sample
    return z


@torch.no_grad()
def euler(network, steps, z, cond):
    for i in range(steps, 0, -1):
        z = z - network(z, torch.full((BATCH,), TIME_SCALE * i / steps), cond) / steps
    return z


def loss(network, data, kind, mask="causal"):
    x, e, valid = data["actions"], data["noise"], ~data["is_pad"]
    if kind == "flow":
        t = data["t"][:, None, None]
        difference = network((1 - t) * x + t * e, TIME_SCALE * data["t"], data["cond"], mask) - (e - x)
    else:
        kept = alphas_cumprod()[1][data["step"]][:, None, None]
        difference = network(kept.sqrt() * x + (1 - kept).sqrt() * e, data["step"].double(), data["cond"], mask)
        difference = difference - (e if kind == "epsilon" else x)
    return difference[valid].square().mean()


def main():
    torch.set_default_dtype(torch.float64)
    generator = torch.Generator().manual_seed(20261)

    def normal(*shape):
        return torch.randn(*shape, generator=generator)

    network = Network()
    with torch.no_grad():
        for name, p in network.named_parameters():
            p.copy_(0.3 * normal(*p.shape) + (1 if "norm" in name and name.endswith("weight") else 0))
    data = {"actions": normal(BATCH, HORIZON, ACTION), "cond": normal(BATCH, OBSERVATIONS, COND),
            "noise": normal(BATCH, HORIZON, ACTION), "step": torch.tensor([0, 17, 62, 99]),
            "t": torch.tensor([0.02, 0.31, 0.77, 0.9]),
            "is_pad": torch.tensor([[False] * 4, [False, False, True, True], [False, True, True, True], [False] * 4])}
    out = {f"param.{n}": v.detach() for n, v in network.named_parameters()} | {f"data.{n}": v for n, v in data.items()}

    for mask in ["causal", "full"]:
        out[f"output.{mask}"] = network(data["noise"], data["step"].double(), data["cond"], mask).detach()
    cases = {"epsilon": ("epsilon",), "sample": ("sample",), "flow": ("flow",), "full": ("epsilon", "full")}
    for name, case in cases.items():
        value = loss(network, data, *case)
        grads = dict(zip(dict(network.named_parameters()), torch.autograd.grad(value, list(network.parameters())),
                         strict=True))
        out[f"loss.{name}"] = value.detach()
        out |= {f"grad.{name}.{n}": g for n, g in grads.items() if name in ("epsilon", "flow") or n in FEW}

    public = DDPMScheduler(num_train_timesteps=STEPS, beta_schedule="squaredcos_cap_v2")
    out["schedule.betas"], out["schedule.alphas_cumprod"] = public.betas, public.alphas_cumprod
    out["chain.start"] = normal(BATCH, HORIZON, ACTION)
    out["chain.outputs"], out["chain.noises"] = normal(CHAIN, BATCH, HORIZON, ACTION), normal(CHAIN, BATCH, HORIZON, ACTION)
    for kind in ["ddpm", "ddim"]:
        for prediction in ["epsilon", "sample"]:
            for clip in [True, False]:
                out[f"chain.{kind}.{prediction}.{'clipped' if clip else 'free'}"] = chain(
                    kind, prediction, clip, out["chain.start"], out["chain.outputs"], out["chain.noises"])
    out["sample.ddpm"] = sample(network, "ddpm", 6, data["noise"], data["cond"])
    out["sample.ddim"] = sample(network, "ddim", 5, data["noise"], data["cond"])
    out["sample.flow"] = euler(network, 3, data["noise"], data["cond"])
    save_file({n: v.contiguous() for n, v in out.items()}, pathlib.Path(__file__).with_suffix(".safetensors"))


if __name__ == "__main__":
    main()
