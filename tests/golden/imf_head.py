"""Golden tensors for tests/plugins/imf_head, from an implementation that shares nothing with the C++ one.

    .venv/bin/python tests/golden/imf_head.py

writes imf_head.safetensors beside itself. Everything is float64 and computed in the most literal way: sources stacked
at every sublayer, torch.func.jvp over the whole batch, one gradient call a case.
"""

import math
import pathlib

import torch
from safetensors.torch import save_file

torch.set_default_dtype(torch.float64)
WIDTH, LAYERS, HEADS, KV_HEADS, ACTION, COND, OBSERVATIONS, HORIZON, BATCH = 16, 2, 4, 2, 3, 5, 2, 4, 4
FEW = ["head.weight", "input_emb.weight", "time_token_proj.bias", "attnres_backbone.layers.1.norm.weight"]
INNER = (int(2.667 * WIDTH) + 7) // 8 * 8


def random_parameters(generator):
    def normal(*shape, scale=0.3):
        return torch.randn(*shape, generator=generator) * scale

    head_dim = WIDTH // HEADS
    p = {}
    for name, rows, columns in [("input_emb", WIDTH, ACTION), ("cond_obs_emb", WIDTH, COND),
                                ("time_token_proj", WIDTH, WIDTH), ("head", ACTION, WIDTH)]:
        p[f"{name}.weight"], p[f"{name}.bias"] = normal(rows, columns), normal(rows)
    for i in range(2 * LAYERS):
        layer = f"attnres_backbone.layers.{i}"
        p[f"{layer}.norm.weight"] = 1 + normal(WIDTH)
        p[f"{layer}.attn_res.pseudo_query"] = normal(WIDTH)
        if i % 2 == 0:
            shapes = {"w_q": (WIDTH, WIDTH), "w_k": (KV_HEADS * head_dim, WIDTH),
                      "w_v": (KV_HEADS * head_dim, WIDTH), "w_o": (WIDTH, WIDTH)}
        else:
            shapes = {"w_gate": (INNER, WIDTH), "w_up": (INNER, WIDTH), "w_down": (WIDTH, INNER)}
        for name, shape in shapes.items():
            p[f"{layer}.fn.{name}.weight"] = normal(*shape)
    p["attnres_backbone.final_attn_res.pseudo_query"] = normal(WIDTH)
    p["ln_f.weight"] = 1 + normal(WIDTH)
    return p


def rms(x):
    return x / torch.sqrt((x * x).mean(-1, keepdim=True) + 1e-6)


def rope(x):
    """x [B, T, heads, D]; each adjacent pair is a complex number turned by position * 1e4^(-2k/D)."""
    length, dim = x.shape[1], x.shape[3]
    columns = []
    position = torch.arange(length).view(1, length, 1)
    for k in range(dim // 2):
        angle = position * 1e4 ** (-2.0 * k / dim)
        a, b = x[..., 2 * k], x[..., 2 * k + 1]
        columns += [a * torch.cos(angle) - b * torch.sin(angle), a * torch.sin(angle) + b * torch.cos(angle)]
    return torch.stack(columns, -1)


def attention(x, q, k, v, o):
    batch, length, _ = x.shape
    head_dim = WIDTH // HEADS
    queries = rope((x @ q.T).reshape(batch, length, HEADS, head_dim))
    keys = rope((x @ k.T).reshape(batch, length, KV_HEADS, head_dim))
    values = (x @ v.T).reshape(batch, length, KV_HEADS, head_dim)
    heads = []
    for h in range(HEADS):
        shared = h // (HEADS // KV_HEADS)
        logits = queries[:, :, h] @ keys[:, :, shared].transpose(1, 2) / math.sqrt(head_dim)
        heads.append(torch.softmax(logits, -1) @ values[:, :, shared])
    return torch.cat(heads, -1) @ o.T


def swiglu(x, gate, up, down):
    inner = x @ gate.T
    return (inner * torch.sigmoid(inner) * (x @ up.T)) @ down.T


def depth_attention(sources, query):
    stacked = torch.stack(sources)
    weights = torch.softmax((rms(stacked) * query).sum(-1), 0)
    return (weights.unsqueeze(-1) * stacked).sum(0)


def backbone(p, x, residual="attnres", output="sum", block=1):
    outputs, done = [x], [x]
    partial = None
    for i in range(2 * LAYERS):
        layer = f"attnres_backbone.layers.{i}"
        sources = done + ([partial] if partial is not None else [])
        h = sum(outputs) if residual == "plain" else depth_attention(sources, p[f"{layer}.attn_res.pseudo_query"])
        normed = rms(h) * p[f"{layer}.norm.weight"]
        w = {n: p[f"{layer}.fn.{n}.weight"] for n in
             (["w_q", "w_k", "w_v", "w_o"] if i % 2 == 0 else ["w_gate", "w_up", "w_down"])}
        y = attention(normed, *w.values()) if i % 2 == 0 else swiglu(normed, *w.values())
        outputs.append(y)
        partial = y if partial is None else partial + y
        if (i + 1) % block == 0:
            done.append(partial)
            partial = None
    if output == "sum":
        return sum(outputs)
    return depth_attention(done + ([partial] if partial is not None else []),
                           p["attnres_backbone.final_attn_res.pseudo_query"])


def time_token(p, t):
    half = WIDTH // 2
    frequency = torch.tensor([10000.0 ** (-k / (half - 1)) for k in range(half)])
    angle = t[:, None] * frequency
    return torch.cat([torch.sin(angle), torch.cos(angle)], -1) @ p["time_token_proj.weight"].T + p["time_token_proj.bias"]


def velocity(p, z, r, t, cond, prediction="velocity", **kind):
    tokens = torch.cat([time_token(p, r)[:, None], time_token(p, t)[:, None],
                        cond @ p["cond_obs_emb.weight"].T + p["cond_obs_emb.bias"],
                        z @ p["input_emb.weight"].T + p["input_emb.bias"]], 1)
    y = backbone(p, tokens, **kind)[:, -HORIZON:]
    output = (rms(y) * p["ln_f.weight"]) @ p["head.weight"].T + p["head.bias"]
    return output if prediction == "velocity" else (z - output) / t.clamp_min(0.05)[:, None, None]


def dct():
    rows = []
    for k in range(HORIZON):
        scale = math.sqrt((1 if k == 0 else 2) / HORIZON)
        rows.append([scale * math.cos(math.pi / HORIZON * (n + 0.5) * k) for n in range(HORIZON)])
    return torch.tensor(rows)


def slope(p, z, r, t, cond, **kind):
    v = velocity(p, z, t, t, cond, **kind).detach()
    fixed = {name: value.detach() for name, value in p.items()}
    _, du = torch.func.jvp(lambda z_, t_: velocity(fixed, z_, r, t_, cond, **kind), (z, t), (v, torch.ones_like(t)))
    return du.detach()


def loss(p, data, kind="pseudo_huber", latent="identity", **network):
    basis = dct() if latent == "dct" else torch.eye(HORIZON)
    x = torch.einsum("kh,bha->bka", basis, data["actions"])
    r, t, e, cond = data["r"], data["t"], data["noise"], data["cond"]
    z = (1 - t)[:, None, None] * x + t[:, None, None] * e
    compound = velocity(p, z, r, t, cond, **network) + (t - r)[:, None, None] * slope(p, z, r, t, cond, **network)
    difference = torch.einsum("kh,bka->bha", basis, compound - (e - x))
    valid = ~data["is_pad"]
    if kind == "adaptive_l2":
        per_sample = [difference[b][valid[b]].square().sum() for b in range(BATCH)]
        return sum(s / (s.detach() + 0.01) for s in per_sample) / BATCH
    chosen = difference[valid]
    return (chosen.square() if kind == "mse" else torch.sqrt(1 + chosen.square()) - 1).mean()


def gradients(p, data, **case):
    leaves = {name: value.clone().requires_grad_() for name, value in p.items()}
    value = loss(leaves, data, **case)
    grads = torch.autograd.grad(value, list(leaves.values()), allow_unused=True)
    return value.detach(), {n: g for n, g in zip(leaves, grads, strict=True) if g is not None}


def sample(p, noise, cond, steps, latent="identity", **network):
    z = noise
    for i in range(steps, 0, -1):
        t, r = torch.full((BATCH,), i / steps), torch.full((BATCH,), (i - 1) / steps)
        z = z - (t - r)[:, None, None] * velocity(p, z, r, t, cond, **network)
    return torch.einsum("kh,bka->bha", dct(), z) if latent == "dct" else z


def main():
    generator = torch.Generator().manual_seed(20260)
    p = random_parameters(generator)
    data = {"actions": torch.randn(BATCH, HORIZON, ACTION, generator=generator),
            "cond": torch.randn(BATCH, OBSERVATIONS, COND, generator=generator),
            "noise": torch.randn(BATCH, HORIZON, ACTION, generator=generator),
            "r": torch.tensor([0.31, 0.77, 0.05, 0.4]), "t": torch.tensor([0.31, 0.77, 0.65, 0.9]),
            "is_pad": torch.tensor([[False] * 4, [False, False, True, True], [False, True, True, True], [False] * 4])}
    out = {f"param.{n}": v for n, v in p.items()} | {f"data.{n}": v for n, v in data.items()}

    networks = {"base": {}, "final": {"output": "final"}, "plain": {"residual": "plain"}, "block2": {"block": 2},
                "block3_final": {"block": 3, "output": "final"}, "sample": {"prediction": "sample"}}
    z, r, t, cond = data["noise"], data["r"], data["t"], data["cond"]
    for name, network in networks.items():
        out[f"u.{name}"] = velocity(p, z, r, t, cond, **network)
        out[f"dudt.{name}"] = slope(p, z, r, t, cond, **network)
        out[f"loss.{name}"], grads = gradients(p, data, **network)
        kept = grads if name in ("base", "block3_final") else {n: grads[n] for n in FEW}
        out |= {f"grad.{name}.{n}": g for n, g in kept.items()}
    for name, case in {"mse": {"kind": "mse"}, "adaptive_l2": {"kind": "adaptive_l2"}, "dct": {"latent": "dct"}}.items():
        out[f"loss.{name}"], grads = gradients(p, data, **case)
        out |= {f"grad.{name}.{n}": grads[n] for n in FEW}

    # Times below the one that z - t u is divided by at least.
    early = data | {"r": torch.tensor([0.03, 0.77, 0.01, 0.02]), "t": torch.tensor([0.03, 0.77, 0.04, 0.9])}
    out |= {"early.r": early["r"], "early.t": early["t"]}
    out["loss.early"], grads = gradients(p, early, prediction="sample")
    out |= {f"grad.early.{n}": grads[n] for n in FEW}

    out["sample.1"], out["sample.3"] = sample(p, z, cond, 1), sample(p, z, cond, 3)
    out["sample.prediction"] = sample(p, z, cond, 2, prediction="sample")
    out["sample.dct"] = sample(p, z, cond, 2, "dct")
    out["dct"] = dct()
    out["rope.x"] = torch.randn(2, 5, 3, 6, generator=generator)
    out["rope.y"] = rope(out["rope.x"])
    layer = "attnres_backbone.layers.0.fn"
    out["gqa.x"] = torch.randn(2, 5, WIDTH, generator=generator)
    out["gqa.y"] = attention(out["gqa.x"], *[p[f"{layer}.{n}.weight"] for n in ["w_q", "w_k", "w_v", "w_o"]])
    out["depth.sources"] = torch.randn(3, 2, 5, WIDTH, generator=generator)
    out["depth.query"] = torch.randn(WIDTH, generator=generator)
    out["depth.y"] = depth_attention(list(out["depth.sources"]), out["depth.query"])
    out = {n: v.contiguous() for n, v in out.items()}
    save_file(out, pathlib.Path(__file__).with_suffix(".safetensors"))


if __name__ == "__main__":
    main()
