"""The IMF head's training step with PyTorch on a GPU, for comparison with roboimi (run by scripts/gpu_check.sh).

    python3 bench/reference/imf_gpu.py [--width 384 --layers 12 --heads 8 --batch 64] [--device cuda]

The step consists of loss, backward, clipping, fused AdamW and moving average, as in roboimi's trainer. For each variant
it prints a line of JSON as soon as the result is known: {"name": ..., "ms": ...} or {"name": ..., "error": ...}.

    plain         the typical form: torch.func.jvp over the whole batch, all sources stacked at every sublayer
    restructured  v and the JVP only where r != t; the depth attention as one product with the stacked sources
    one graph     the same step, captured in a CUDA graph and replayed, without launches by the CPU
    products      only the step's matrix products, in one graph: a lower bound for the time of any form

Without a GPU (--device cpu, tiny sizes), the forms run eagerly. This only tests that the program works.
"""

import argparse
import json
import time

import imf_eager
import torch

PRECISIONS = ("fp32", "tf32", "bf16")


class Head(imf_eager.Head):
    """imf_eager's head with a restructured form for GPUs: few large operations instead of many small ones."""

    def depth_at_once(self, x):
        queries = torch.stack([layer.query for layer in self.layers], 1)
        sources, logits = [], []

        def add(source):
            scale = torch.rsqrt(source.pow(2).mean(-1, keepdim=True) + 1e-6)
            sources.append(source)
            logits.append((source @ queries) * scale)

        add(x)
        for i, layer in enumerate(self.layers):
            weights = torch.softmax(torch.stack([column[..., i] for column in logits], -1), -1)
            add(layer((weights.unsqueeze(-2) @ torch.stack(sources, -2)).squeeze(-2)))
        return torch.stack(sources, -2).sum(-2)


class Step:
    def __init__(self, args):
        torch.manual_seed(0)
        self.device, on_gpu = args.device, args.device != "cpu"
        self.model = Head(args.width, args.layers, args.heads).to(self.device)
        with torch.no_grad():
            for layer in self.model.layers:
                layer.query.normal_(0, 0.1)
        self.parameters = list(self.model.parameters())
        self.average = [p.detach().clone() for p in self.parameters]
        for p in self.parameters:
            p.grad = torch.zeros_like(p)
        rate = torch.tensor(1e-4, device=self.device) if on_gpu else 1e-4
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=rate, betas=(0.95, 0.999), weight_decay=1e-6, fused=True, capturable=on_gpu
        )
        self.data = {name: value.to(self.device) for name, value in imf_eager.make_data(args.batch).items()}
        self.bf16 = False

    def __call__(self, restructured):
        self.model.restructured = restructured
        self.optimizer.zero_grad(set_to_none=False)
        with torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=self.bf16, cache_enabled=False):
            loss = imf_eager.loss_of(self.model, self.data)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 10.0)
        self.optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(self.average, self.parameters, 1e-4)


def milliseconds(work, repeats, device):
    def wait():
        if device != "cpu":
            torch.cuda.synchronize()

    for _ in range(2):
        work()
    wait()
    start = time.perf_counter()
    for _ in range(repeats):
        work()
    wait()
    return (time.perf_counter() - start) / repeats * 1e3


def captured(work):
    """Returns a function that replays `work` as one CUDA graph."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay


def products(args, dtype):
    """Returns a function with a step's matrix products: values, tangents and v of half the batch, and backward."""
    width, inner = args.width, (int(2.667 * args.width) + 7) // 8 * 8
    shapes = [(width, 3 * width), (width, width), (width, 2 * inner), (inner, width)]
    tokens = args.batch * (2 + imf_eager.OBSERVATIONS + imf_eager.HORIZON)

    def normal(*shape):
        return torch.randn(*shape, device=args.device, dtype=dtype)

    weights = [[normal(i, o) for i, o in shapes] for _ in range(args.layers)]
    inputs = {i: normal(tokens, i) for i in (width, inner)}
    gradients = {o: normal(tokens, o) for _, o in shapes}

    def work():
        for layer in weights:
            for weight, (i, o) in zip(layer, shapes, strict=True):
                x, g = inputs[i], gradients[o]
                x @ weight, x[: tokens // 2] @ weight, x[: tokens // 2] @ weight, g @ weight.t(), x.t() @ g

    return work


def allow_tf32(allowed):
    torch.backends.cuda.matmul.allow_tf32 = allowed


def report(name, measure):
    try:
        row = {"name": name, "ms": round(measure(), 3)}
    except Exception as error:  # continue with the other forms
        row = {"name": name, "error": " ".join(str(error).split())[:200]}
    print(json.dumps(row), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in [
        ("width", 384),
        ("layers", 12),
        ("heads", 8),
        ("batch", 64),
        ("eager-repeats", 8),
        ("repeats", 50),
    ]:
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--device", default="cuda")
    args = parser.parse_args()
    forms = {"plain": False, "restructured": True}
    for name, restructured in forms.items():
        step = Step(args)
        report(
            f"{name}, eager, fp32",
            lambda s=step, r=restructured: milliseconds(lambda: s(r), args.eager_repeats, args.device),
        )
    if args.device == "cpu":
        return
    for precision in PRECISIONS:
        allow_tf32(precision == "tf32")
        for name, restructured in reversed(forms.items()):
            step = Step(args)
            step.bf16 = precision == "bf16"
            report(
                f"{name}, one graph, {precision}",
                lambda s=step, r=restructured: milliseconds(captured(lambda: s(r)), args.repeats, args.device),
            )
        work = products(args, torch.bfloat16 if precision == "bf16" else torch.float32)
        report(f"products, one graph, {precision}", lambda w=work: milliseconds(captured(w), args.repeats, args.device))


if __name__ == "__main__":
    main()
