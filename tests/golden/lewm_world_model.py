"""Golden tensors for tests/plugins/lewm_world_model, from an implementation that shares nothing with the C++ one.

    .venv/bin/python tests/golden/lewm_world_model.py                  writes lewm_world_model.safetensors beside itself
    .venv/bin/python tests/golden/lewm_world_model.py FROM TO          loads FROM strictly into these modules, writes TO

Modules are nested only as far as LeWorldModel's parameter names ask; what they compute is written out in the most literal
way, in float64: softmax and norms by their formulas, one time step and one head at a time.
"""

import math
import pathlib
import sys

import torch
from safetensors.torch import load_file, save_file
from torch import nn

torch.set_default_dtype(torch.float64)
WIDTH, LAYERS, HEADS, INTERMEDIATE, PATCH, IMAGE, HIDDEN = 12, 2, 3, 20, 4, 8, 14
DEPTH, P_HEADS, P_DIM, P_MLP = 2, 2, 5, 18
HISTORY, SKIP, ACTION, BATCH, PROJECTIONS, KNOTS, WEIGHT = 3, 2, 3, 5, 7, 17, 0.09


def norm(x, eps, affine=None):
    centered = x - x.mean(-1, keepdim=True)
    y = centered / torch.sqrt((centered * centered).mean(-1, keepdim=True) + eps)
    return y if affine is None else y * affine.weight + affine.bias


def gelu(x):
    return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))


def silu(x):
    return x / (1 + torch.exp(-x))


def attention(q, k, v, heads, causal):
    """q, k, v [B, T, heads * d] -> [B, T, heads * d]."""
    size, rows = q.shape[-1] // heads, []
    for t in range(q.shape[1]):
        last = t + 1 if causal else q.shape[1]
        columns = []
        for h in range(heads):
            part = slice(h * size, (h + 1) * size)
            logits = (k[:, :last, part] @ q[:, t, part, None]).squeeze(-1) / math.sqrt(size)
            weights = torch.exp(logits - logits.amax(-1, keepdim=True))
            weights = weights / weights.sum(-1, keepdim=True)
            columns.append((weights[..., None] * v[:, :last, part]).sum(1))
        rows.append(torch.cat(columns, -1))
    return torch.stack(rows, 1)


class Named(nn.Module):
    """Sub-modules under given names, digits included."""

    def __init__(self, **parts):
        super().__init__()
        for name, part in parts.items():
            self.add_module(name.removeprefix("_"), part)

    def __getitem__(self, name):
        return self.get_submodule(str(name))


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embeddings = Named(patch_embeddings=Named(projection=nn.Conv2d(3, WIDTH, PATCH, PATCH)))
        self.embeddings.cls_token = nn.Parameter(torch.empty(1, 1, WIDTH))
        self.embeddings.position_embeddings = nn.Parameter(torch.empty(1, 1 + (IMAGE // PATCH) ** 2, WIDTH))
        self.layers = nn.ModuleList(
            Named(layernorm_before=nn.LayerNorm(WIDTH), layernorm_after=nn.LayerNorm(WIDTH),
                  attention=Named(**{f"{n}_proj": nn.Linear(WIDTH, WIDTH) for n in "qkvo"}),
                  mlp=Named(fc1=nn.Linear(WIDTH, INTERMEDIATE), fc2=nn.Linear(INTERMEDIATE, WIDTH)))
            for _ in range(LAYERS))
        self.layernorm = nn.LayerNorm(WIDTH)

    def forward(self, pixels):
        grid = IMAGE // PATCH
        projection = self.embeddings["patch_embeddings"]["projection"]
        kernel = projection.weight.reshape(WIDTH, -1)
        tokens = [self.embeddings.cls_token[:, 0].expand(len(pixels), -1)]
        for row in range(grid):
            for column in range(grid):
                patch = pixels[:, :, row * PATCH:(row + 1) * PATCH, column * PATCH:(column + 1) * PATCH]
                tokens.append(patch.reshape(len(pixels), -1) @ kernel.T + projection.bias)
        x = torch.stack(tokens, 1) + self.embeddings.position_embeddings
        for layer in self.layers:
            y, a = norm(x, 1e-12, layer["layernorm_before"]), layer["attention"]
            x = x + a["o_proj"](attention(a["q_proj"](y), a["k_proj"](y), a["v_proj"](y), HEADS, causal=False))
            y, m = norm(x, 1e-12, layer["layernorm_after"]), layer["mlp"]
            x = x + m["fc2"](gelu(m["fc1"](y)))
        return norm(x, 1e-12, self.layernorm)[:, 0]


class Projector(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(WIDTH, HIDDEN), nn.BatchNorm1d(HIDDEN), nn.GELU(), nn.Linear(HIDDEN, WIDTH))

    def forward(self, x):
        """In training: by the batch's own statistics. The running ones are not touched."""
        y, batch = self.net[0](x), self.net[1]
        centered = y - y.mean(0)
        y = centered / torch.sqrt((centered * centered).mean(0) + 1e-5) * batch.weight + batch.bias
        return self.net[3](gelu(y))

    def evaluate(self, x):
        batch = self.net[1]
        y = (self.net[0](x) - batch.running_mean) / torch.sqrt(batch.running_var + 1e-5) * batch.weight + batch.bias
        return self.net[3](gelu(y))


class Predictor(nn.Module):
    def __init__(self):
        super().__init__()
        inner = P_HEADS * P_DIM
        self.pos_embedding = nn.Parameter(torch.empty(1, HISTORY, WIDTH))
        blocks = [Named(attn=Named(norm=nn.LayerNorm(WIDTH), to_qkv=nn.Linear(WIDTH, 3 * inner, bias=False),
                                   to_out=Named(_0=nn.Linear(inner, WIDTH))),
                        mlp=Named(net=Named(_0=nn.LayerNorm(WIDTH), _1=nn.Linear(WIDTH, P_MLP), _4=nn.Linear(P_MLP, WIDTH))),
                        adaLN_modulation=Named(_1=nn.Linear(WIDTH, 6 * WIDTH))) for _ in range(DEPTH)]
        self.transformer = Named(norm=nn.LayerNorm(WIDTH), layers=nn.ModuleList(blocks))

    def forward(self, x, c):
        inner = P_HEADS * P_DIM
        x = x + self.pos_embedding
        for block in self.transformer["layers"]:
            m = block["adaLN_modulation"][1](silu(c))
            shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = (m[..., i * WIDTH:(i + 1) * WIDTH] for i in range(6))
            y = norm(norm(x, 1e-6) * (1 + scale_a) + shift_a, 1e-5, block["attn"]["norm"])
            qkv = block["attn"]["to_qkv"](y)
            mixed = attention(qkv[..., :inner], qkv[..., inner:2 * inner], qkv[..., 2 * inner:], P_HEADS, causal=True)
            x = x + gate_a * block["attn"]["to_out"][0](mixed)
            net = block["mlp"]["net"]
            y = norm(norm(x, 1e-6) * (1 + scale_m) + shift_m, 1e-5, net[0])
            x = x + gate_m * net[4](gelu(net[1](y)))
        return norm(x, 1e-5, self.transformer["norm"])


class ActionEncoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch_embed = nn.Conv1d(SKIP * ACTION, 10, 1)
        self.embed = Named(_0=nn.Linear(10, 4 * WIDTH), _2=nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, actions):
        mixed = self.patch_embed(actions.transpose(1, 2)).transpose(1, 2)
        return self.embed[2](silu(self.embed[0](mixed)))


def world_model():
    return Named(encoder=Encoder(), predictor=Predictor(), action_encoder=ActionEncoder(), projector=Projector(),
                 pred_proj=Projector())


def sigreg(embeddings, directions):
    """embeddings [B, T, D], directions [D, P]."""
    total, step = 0.0, 3 / (KNOTS - 1)
    for k in range(KNOTS):
        t = k * step
        normal = math.exp(-t * t / 2)
        weight = (step if k in (0, KNOTS - 1) else 2 * step) * normal
        x = t * (embeddings @ directions)
        total = total + weight * ((torch.cos(x).mean(0) - normal) ** 2 + torch.sin(x).mean(0) ** 2)
    return (total * len(embeddings)).mean()


def objective(model, pixels, actions, mean, std, directions):
    """pixels [B, HISTORY + 1, 3 * IMAGE * IMAGE], actions [B, (HISTORY + 1) * SKIP, ACTION] as recorded."""
    images = pixels.reshape(-1, 3, IMAGE, IMAGE)
    e = model["projector"](model["encoder"](images)).reshape(BATCH, HISTORY + 1, WIDTH)
    scaled = (actions - mean) / std
    # The actions of rows t * SKIP .. (t + 1) * SKIP - 1 lead from frame t to frame t + 1.
    moves = torch.stack([scaled[:, t * SKIP:(t + 1) * SKIP].reshape(BATCH, -1) for t in range(HISTORY)], 1)
    predicted = model["predictor"](e[:, :HISTORY], model["action_encoder"](moves)).reshape(-1, WIDTH)
    predicted = model["pred_proj"](predicted).reshape(BATCH, HISTORY, WIDTH)
    error = ((predicted - e[:, 1:]) ** 2).mean()
    gaussian = sigreg(e, directions)
    return {"loss": error + WEIGHT * gaussian, "prediction_error": error, "sigreg": gaussian,
            "copy_last_error": ((e[:, :-1] - e[:, 1:]) ** 2).mean(),
            "embedding_std": torch.sqrt(((e - e.mean(0)) ** 2).mean(0)).mean()}


def randomize(model, generator):
    def normal(shape, scale):
        return torch.randn(shape, generator=generator) * scale

    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith("num_batches_tracked"):
                continue
            is_scale = tensor.dim() == 1 and name.endswith("weight")
            tensor.copy_((1 if is_scale else 0) + normal(tensor.shape, 0.3))
            if name.endswith("running_var"):
                tensor.copy_(0.5 + tensor.abs())


def write_golden(path):
    generator = torch.Generator().manual_seed(20261)

    def normal(*shape):
        return torch.randn(*shape, generator=generator)

    model = world_model()
    randomize(model, generator)
    directions = normal(WIDTH, PROJECTIONS)
    data = {"pixels": normal(BATCH, HISTORY + 1, 3 * IMAGE * IMAGE),
            "actions": normal(BATCH, (HISTORY + 1) * SKIP, ACTION) * 2 + 1,
            "mean": normal(ACTION), "std": 0.5 + normal(ACTION).abs(),
            "directions": directions / torch.sqrt((directions ** 2).sum(0))}
    out = {f"param.{n}": v.clone() for n, v in model.state_dict().items()} | {f"data.{n}": v for n, v in data.items()}

    report = objective(model, **data)
    report["loss"].backward()
    out |= {n: v.detach() for n, v in report.items()}
    out |= {f"grad.{n}": p.grad for n, p in model.named_parameters()}

    with torch.no_grad():
        out["predictor.x"], out["predictor.c"] = normal(BATCH, HISTORY, WIDTH), normal(BATCH, HISTORY, WIDTH)
        out["predictor.y"] = model["predictor"](out["predictor.x"], out["predictor.c"])
        out["action_encoder.x"] = normal(BATCH, HISTORY, SKIP * ACTION)
        out["action_encoder.y"] = model["action_encoder"](out["action_encoder.x"])
        out["sigreg.z"] = normal(9, 2, WIDTH) * 0.7 + 0.1
        out["sigreg.y"] = sigreg(out["sigreg.z"], data["directions"])
        images = data["pixels"].reshape(-1, 3, IMAGE, IMAGE)
        out["representation"] = model["projector"].evaluate(model["encoder"](images))
    save_file({n: v.contiguous() for n, v in out.items()}, path)


def pass_through(source, target):
    model = world_model()
    model.load_state_dict(load_file(source), strict=True)
    save_file({n: v.contiguous() for n, v in model.state_dict().items()}, target)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        pass_through(*sys.argv[1:])
    else:
        write_golden(pathlib.Path(__file__).with_suffix(".safetensors"))
