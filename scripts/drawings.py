#!/usr/bin/env python3
"""Draws the images of docs/architecture.md: docs/images/*.svg.

    scripts/drawings.py                 # writes them
    scripts/drawings.py --check         # compares with the files; status 1 if they differ
    scripts/drawings.py --output DIR    # another folder

The drawings are narrow, so that they stay legible on a phone, and have an opaque background whose colors
follow prefers-color-scheme. A string that is wider than its box is an error.
"""

import argparse
import pathlib
import sys
from html import escape

IMAGES = pathlib.Path(__file__).resolve().parent.parent / "docs/images"
WIDTH = 520
LINE = 20  # height of a line of text

# Fill and outline of a box in light mode, then in dark mode.
COLORS = {
    "plain": ("#f6f8fa", "#818b98", "#161b22", "#767f89"),
    "data": ("#ddf4ff", "#0969da", "#0f2a47", "#4493f8"),
    "model": ("#fbefff", "#8250df", "#2b1d47", "#ab7df8"),
    "good": ("#dafbe1", "#1a7f37", "#10301c", "#3fb950"),
    "warn": ("#fff8c5", "#9a6700", "#37290a", "#d29922"),
    "bad": ("#ffebe9", "#cf222e", "#45171b", "#f85149"),
}
PAGE = ("#ffffff", "#d0d7de", "#0d1117", "#3d444d")
INK = ("#1f2328", "#f0f6fc")
MUTED = ("#59636e", "#9ca5af")


def style():
    light = [f".page{{fill:{PAGE[0]};stroke:{PAGE[1]}}}",
             f"text{{font-family:Arial,Helvetica,'Liberation Sans',sans-serif;fill:{INK[0]}}}",
             ".t{font-size:15px}.s{font-size:13px}.b{font-size:15px;font-weight:bold}",
             f".s{{fill:{MUTED[0]}}}",
             f".a{{fill:none;stroke:{MUTED[0]};stroke-width:1.6}}.h{{fill:{MUTED[0]}}}",
             f".room{{fill:none;stroke:{MUTED[0]};stroke-width:1.2;stroke-dasharray:5 4}}",
             ".mono{font-family:'DejaVu Sans Mono','Liberation Mono',Menlo,Consolas,monospace;font-size:13px}"]
    dark = [f".page{{fill:{PAGE[2]};stroke:{PAGE[3]}}}", f"text{{fill:{INK[1]}}}", f".s{{fill:{MUTED[1]}}}",
            f".a,.room{{stroke:{MUTED[1]}}}.h{{fill:{MUTED[1]}}}"]
    for kind, (fill, line, dark_fill, dark_line) in COLORS.items():
        light.append(f".{kind}{{fill:{fill};stroke:{line};stroke-width:1.4}}")
        dark.append(f".{kind}{{fill:{dark_fill};stroke:{dark_line}}}")
    return "".join(light) + "@media(prefers-color-scheme:dark){" + "".join(dark) + "}"


def width_of(text, css):
    """An upper estimate of the width in pixels, for the fonts named above."""
    if css == "mono":
        return 8.0 * len(text)
    size = 13 if css == "s" else 15
    narrow = sum(c in "ijlftrI.,:;'|()[]/- " for c in text)
    return size * (0.38 * narrow + 0.62 * (len(text) - narrow)) * (1.08 if css == "b" else 1.0)


class Drawing:
    def __init__(self, title, description):
        self.title, self.description = title, description
        self.parts = []
        self.height = 0

    def _reach(self, y):
        self.height = max(self.height, y)

    def text(self, x, y, words, css="t", anchor="start", room=None):
        """One line of text, y of its baseline. `room` is the width that it must fit into."""
        width = width_of(words, css)
        left = {"start": x, "middle": x - width / 2, "end": x - width}[anchor]
        if width > (room or WIDTH) or left < 4 or left + width > WIDTH - 4:
            raise ValueError(f"{self.title}: the text does not fit: {words!r} ({width:.0f} px)")
        self.parts.append(f'<text class="{css}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(words)}</text>')
        self._reach(y + 6)

    def box(self, x, y, width, lines, kind="plain", height=None):
        """A box with centered lines: "*" before a line makes it bold, "~" small, "`" monospaced. Returns its rows."""
        height = height or LINE * len(lines) + 14
        self.parts.append(f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6"/>')
        first = y + (height - LINE * len(lines)) / 2 + 15
        for number, line in enumerate(lines):
            css = {"*": "b", "~": "s", "`": "mono"}.get(line[:1], "t")
            words = line if css == "t" else line[1:]
            self.text(x + width / 2, first + LINE * number, words, css, "middle", width - 10)
        self._reach(y + height)
        return y, y + height

    def room(self, x, y, width, height, label):
        """A dashed frame with a label in its upper left corner."""
        self.parts.append(f'<rect class="room" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="8"/>')
        self.text(x + 10, y + 18, label, "s", room=width - 16)
        self._reach(y + height)

    def line(self, *points, arrow=True, dashed=False):
        """A line through (x, y) points, with an arrowhead at the last one."""
        path = " ".join(f"{'ML'[i > 0]}{x:g} {y:g}" for i, (x, y) in enumerate(points))
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self.parts.append(f'<path class="a" d="{path}"{dash}/>')
        if arrow:
            (x0, y0), (x, y) = points[-2], points[-1]
            dx, dy = (x > x0) - (x < x0), (y > y0) - (y < y0)
            if dx and dy:
                raise ValueError("an arrow must end horizontally or vertically")
            head = [(x, y), (x - 9 * dx - 4.5 * dy, y - 9 * dy - 4.5 * dx),
                    (x - 9 * dx + 4.5 * dy, y - 9 * dy + 4.5 * dx)]
            self.parts.append('<polygon class="h" points="' + " ".join(f"{px:g},{py:g}" for px, py in head) + '"/>')
        self._reach(max(y for _, y in points))

    def chain(self, x, width, y, boxes, gap=18):
        """Boxes below each other, joined by arrows; (lines, kind) each. Returns their (top, bottom)."""
        rows = []
        for lines, kind in boxes:
            if rows:
                self.line((x + width / 2, rows[-1][1]), (x + width / 2, y))
            rows.append(self.box(x, y, width, lines, kind))
            y = rows[-1][1] + gap
        return rows

    def svg(self):
        height = self.height + 16
        return "\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:g}" '
            f'viewBox="0 0 {WIDTH} {height:g}" role="img" aria-labelledby="title desc">',
            f'<title id="title">{escape(self.title)}</title>',
            f'<desc id="desc">{escape(self.description)}</desc>',
            f"<style>{style()}</style>",
            f'<rect class="page" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1:g}" rx="10"/>',
            *self.parts, "</svg>", ""])


def folders():
    d = Drawing("Folders and their dependencies",
                "Plugins use modules and the lower folders of core. The program uses the suite and core. Inside core, "
                "train uses rollout, checkpoint and track, and so on down to common.")
    d.box(20, 20, 232, ["*plugins/", "~one shared library per folder"], "model")
    d.box(268, 20, 232, ["*app/", "~the program roboimi"], "data")
    d.box(72, 98, 180, ["*modules/", "~shared network parts"], "model")
    d.box(268, 98, 180, ["*suite/", "~many runs and a report"], "data")
    d.line((162, 74), (162, 98))
    d.line((358, 74), (358, 98))
    top = 196
    d.line((46, 74), (46, top))
    d.line((162, 152), (162, top))
    d.line((358, 152), (358, top))
    d.line((474, 74), (474, top))
    d.text(168, 178, "only the green folders", "s")
    d.room(20, top, 480, 430, "core/roboimi: libroboimi.so")
    # Four columns and seven rows.
    x = [34, 150, 266, 382]
    width, height, step = 104, 34, 58
    row = [top + 34 + step * i for i in range(7)]
    middle = [left + width / 2 for left in x]
    d.box(x[0], row[0], 220, ["train"], height=height)
    d.box(x[2], row[0], width, ["deploy"], height=height)
    d.box(x[3], row[0], width, ["testing"], height=height)
    d.box(x[0], row[1], width, ["track"], height=height)
    d.box(x[1], row[1], width, ["rollout"], height=height)
    d.box(x[2], row[1], width, ["checkpoint"], height=height)
    d.box(x[1], row[2], width, ["data"], height=height)
    d.box(x[1], row[3], width, ["plugin"], "good", height=height)
    d.box(x[2], row[3], width, ["io"], "good", height=height)
    d.box(x[1], row[4], 220, ["contract"], "good", height=height)
    d.box(x[0], row[5], 336, ["config"], "good", height=height)
    d.box(x[0], row[6], 336, ["common"], "good", height=height)
    gap = step - height
    for column, upper in [(0, 0), (1, 0), (2, 0), (1, 1), (1, 3), (2, 3), (1, 4), (1, 5)]:
        d.line((middle[column], row[upper] + height), (middle[column], row[upper + 1]))
    d.line((middle[1] + 36, row[0] + height), (middle[1] + 36, row[0] + height + gap / 2),
           (middle[2] - 26, row[0] + height + gap / 2), (middle[2] - 26, row[1]))
    d.line((middle[0], row[1] + height), (middle[0], row[5]))
    d.line((middle[1], row[2] + height), (middle[1], row[3]))
    d.line((middle[2], row[1] + height), (middle[2], row[3]))
    d.line((middle[1], row[2] + height + gap / 2), (middle[2], row[2] + height + gap / 2), arrow=False)
    d.line((middle[3], row[0] + height), (middle[3], row[3] + height / 2), (x[2] + width, row[3] + height / 2))
    d.text(36, row[6] + height + 36, "An arrow points to a folder that is used. Everything below", "s")
    d.text(36, row[6] + height + 54, "that folder may be used too. No arrow points back.", "s")
    return d


def data_path():
    d = Drawing("The path of the data",
                "Training: a frame goes through the dataset, the frame store or the embedding cache, the window sampler, "
                "the agent and the head to the loss. Acting: an observation goes through the actor, the backbone, a "
                "queue, the head and a schedule to a command.")
    d.text(136, 30, "Training", "b", "middle")
    d.text(136, 48, "from frame to loss", "s", "middle")
    d.text(384, 30, "Acting", "b", "middle")
    d.text(384, 48, "from observation to command", "s", "middle")
    d.chain(20, 232, 60, [
        (["*Dataset::read", "~rows of recorded episodes"], "data"),
        (["*features or images", "~EmbeddingCache for a frozen", "~backbone, else FrameStore"], "data"),
        (["*WindowSampler", "~observations [B, To, ...],", "~actions [B, H, A], padding mask"], "data"),
        (["*Backbone::encode", "~only if the backbone is trained:", "~images to features [B, To, V]"], "model"),
        (["*normalize, build_cond", "~features + state: [B, To, C]"], "model"),
        (["*Head::loss", "~actions and condition: one loss"], "model"),
        (["*backward, AdamW, EMA", "~see \"One training step\""], "plain"),
    ])
    rows = d.chain(268, 212, 60, [
        (["*Environment::observe", "~robot or simulator"], "data"),
        (["*Actor::observe", "~checks shapes and dtypes"], "data"),
        (["*Backbone::encode", "~one frame: features [1, V]"], "model"),
        (["*queue", "~the last To observations"], "plain"),
        (["*normalize, build_cond", "~[1, To, C]"], "model"),
        (["*Head::sample", "~one chunk of actions [H, A]"], "model"),
        (["*schedule", "~Ta commands of the chunk"], "plain"),
        (["*command [A]", "~Environment::step"], "data"),
    ])
    start, end = (rows[0][0] + rows[0][1]) / 2, (rows[-1][0] + rows[-1][1]) / 2
    d.line((480, end), (502, end), (502, start), (480, start))
    bottom = d.height + 28
    d.text(20, bottom, "B batch size, To observations, H actions per chunk, Ta executed ones,", "s")
    d.text(20, bottom + 18, "A joints, V feature size, C size of the condition (V + state size)", "s")
    return d


def training_step():
    d = Drawing("One training step",
                "Gradients are set to zero, every batch adds its gradients, they are averaged over processes and "
                "clipped, AdamW and EMA update the weights. Logging, validation, checkpoints and rollouts follow.")
    d.box(90, 20, 340, ["*WindowSampler::batch(n)", "~a function of (seed, n), prepared ahead"], "data")
    d.room(20, 92, 480, 466, "one CUDA graph, if one process trains on a GPU")
    d.line((400, 74), (400, 122))
    d.chain(90, 340, 122, [(["*zero the gradients", "~flat buffers that never move"], "plain")])
    d.line((260, 176), (260, 222))
    d.room(60, 192, 400, 166, "train.accumulate times")
    d.chain(90, 340, 222, [
        (["*Agent::loss", "~random numbers from (seed, n, rank)"], "model"),
        (["*backward", "~the loss divided by train.accumulate"], "model"),
    ])
    rows = d.chain(90, 340, 376, [
        (["*clip to train.clip_norm", "~several processes: average them first"], "plain"),
        (["*AdamW, then EMA", "~learning rate of the schedule"], "plain"),
        (["add loss and gradient norm to the sums"], "plain"),
    ], gap=14)
    d.line((260, 348), (260, 376))
    after = rows[-1][1] + 38
    d.line((260, rows[-1][1]), (260, after - 2))
    d.text(268, after - 10, "no step waits for the device", "s")
    d.box(20, after, 480, ["*if the step number is a multiple of ..."], "plain")
    y = after + 48
    for key, what in [("log_every", "check for NaN, write metrics.jsonl"),
                      ("validate_every", "held-out episodes, with EMA weights"),
                      ("save_every", "checkpoint"),
                      ("rollout_every", "checkpoint, then rollouts with EMA weights")]:
        d.text(34, y + 14, key, "mono")
        d.text(152, y + 14, what, room=340)
        y += 24
    d._reach(y)
    return d


def control_cycle():
    d = Drawing("One control cycle with a deadline",
                "act() checks and copies the observation, takes a late chunk, starts the next plan on the worker thread, "
                "waits for a chunk that is due until shortly before the deadline, picks the next command and limits it.")
    d.text(148, 30, "your control thread", "b", "middle")
    d.text(396, 30, "worker thread", "b", "middle")
    rows = d.chain(20, 256, 44, [
        (["*act(observation)", "~check shapes, dtypes and values"], "data"),
        (["copy what the next plan reads"], "plain"),
        (["*take a late chunk", "~if it has arrived meanwhile"], "plain"),
        (["*start the next plan", "~when the schedule asks for one"], "plain"),
        (["*wait, if a chunk is due", "~until the deadline minus a reserve", "~(a quarter of it, at most 1 ms)"], "warn"),
    ])
    # The worker's task.
    start = (rows[3][0] + rows[3][1]) / 2
    worker_top = start - 27
    d.line((276, start), (316, start))
    d.box(316, worker_top, 184, ["*Backbone::encode", "~images not encoded yet"], "model")
    d.line((408, worker_top + 54), (408, worker_top + 72))
    d.box(316, worker_top + 72, 184, ["*Head::sample", "~one chunk [H, A]"], "model")
    wait = (rows[4][0] + rows[4][1]) / 2 + 16
    d.line((316, wait), (276, wait))
    # The three outcomes.
    y = rows[4][1] + 40
    d.line((148, rows[4][1]), (148, rows[4][1] + 20), (80, rows[4][1] + 20), (80, y))
    d.line((148, rows[4][1] + 20), (260, rows[4][1] + 20), (260, y))
    d.line((260, rows[4][1] + 20), (428, rows[4][1] + 20), (428, y))
    d.box(20, y, 120, ["*in time", "~next row of the", "~new chunk"], "good")
    d.box(156, y, 200, ["*late", "~next row of the old chunk;", "~the new one is taken later"], "warn")
    d.box(372, y, 128, ["*held", "~no row is left:", "~last command"], "bad")
    low = y + 74
    for x in (80, 256, 436):
        d.line((x, low), (x, low + 26))
    d.box(20, low + 26, 480, ["*limit to the range and step of the training actions",
                              "~Policy does this; held commands are already limited"], "plain")
    d.line((260, low + 80), (260, low + 106))
    d.box(130, low + 106, 260, ["*return PolicyStep"], "data")
    deadline = low + 106 + 34 + 16
    d.line((20, deadline), (500, deadline), arrow=False, dashed=True)
    d.text(24, deadline + 18, "deadline of act() (deadline_ms)", "s")
    d.line((260, deadline + 26), (260, deadline + 48))
    d.box(20, deadline + 48, 480, ["the robot executes the command", "~a late plan continues on the worker thread"], "plain")
    d.text(24, deadline + 124, "The first chunk after reset() has no deadline: act() waits for it.", "s")
    return d


def plugin():
    d = Drawing("A plugin, from file to object",
                "The loader reads the ELF note, opens the library, checks its descriptor and collects its components. "
                "A config node then selects a component, its options are checked and its factory makes the object.")
    rows = d.chain(20, 290, 20, [
        (["`libmy_backbone.so"], "model"),
        (["*1. read the ELF note", "~from the file, before any code runs:", "~API, libtorch, C++ ABI, sanitizer,",
          "~checksum"], "plain"),
        (["*2. dlopen", "~RTLD_NOW | RTLD_LOCAL"], "plain"),
        (["*3. check the descriptor", "~size, API version, name"], "plain"),
        (["*4. register function", "~adds components to a Registrar"], "plain"),
        (["*Registry", "~kind, name, schema, factory"], "good"),
        (["*5. select and check options", "~unknown keys and wrong values fail"], "plain"),
        (["*6. factory(options, spec)", "~runs code of the plugin"], "plain"),
        (["`std::shared_ptr<Backbone>"], "good"),
    ])
    top, bottom = rows[1][0], rows[4][1]
    d.box(352, top, 148, ["*rejected", "~The record states", "~what was expected,", "~what was found and",
                          "~what to do. Nothing", "~is registered.", "", "~roboimi plugins", "~list shows it."],
          "bad", bottom - top)
    for top, bottom in rows[1:5]:
        d.line((310, (top + bottom) / 2), (352, (top + bottom) / 2))
    top, bottom = rows[6]
    d.box(352, top - 32, 148, ["*config node", "`type:", "`  my_backbone", "`output_dim: 8"], "data")
    d.line((352, (top + bottom) / 2), (310, (top + bottom) / 2))
    return d


DRAWINGS = {"folders": folders, "data_path": data_path, "training_step": training_step, "control_cycle": control_cycle,
            "plugin": plugin}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; status 1 if a file differs")
    parser.add_argument("--output", type=pathlib.Path, default=IMAGES, metavar="DIR", help="folder of the drawings")
    arguments = parser.parse_args()
    different = []
    for name, draw in DRAWINGS.items():
        file = arguments.output / f"{name}.svg"
        text = draw().svg()
        if file.is_file() and file.read_text() == text:
            continue
        different.append(str(file))
        if not arguments.check:
            arguments.output.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    if arguments.check and different:
        print(f"drawings.py: missing or out of date: {', '.join(different)}; run scripts/drawings.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
