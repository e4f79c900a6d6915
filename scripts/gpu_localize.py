#!/usr/bin/env python3
"""Measures the error of kernel regression from an encoder's embeddings to the box position, on given demonstrations.

    scripts/gpu_localize.py --roboimi PROGRAM --data FOLDER --tested FOLDER --work FOLDER --name NAME [KEY=VALUE ...]

Uses the regression of scripts/localization.py, on demonstrations with views of any size. Needs numpy, h5py and safetensors.
"""

import argparse
import itertools
import pathlib
import subprocess

import numpy as np
from localization import FRAMES, RIDGES, WIDTHS, box_positions, left_out_error, predict
from safetensors.numpy import load_file


def embeddings(arguments, data):
    out = pathlib.Path(arguments.work) / f"located_{arguments.name}_{data.name}.safetensors"
    subprocess.run(
        [
            arguments.roboimi,
            "encode",
            "--config",
            "lewm_imf_attnres.yaml",
            "--data",
            data,
            "--out",
            out,
            f"device={arguments.device}",
            "cache.block_size=256",
            f"cache.folder={arguments.work}/cache",
            *arguments.overrides,
        ],
        check=True,
    )
    tensors = load_file(out)
    out.unlink()
    rows = [
        np.flatnonzero((tensors["episode"] == episode) & np.isin(tensors["frame"], FRAMES))
        for episode in np.unique(tensors["episode"])
    ]
    return tensors["embeddings"][np.array(rows)].astype(np.float64)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ["roboimi", "data", "tested", "work", "name"]:
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--device", default="auto")
    parser.add_argument("overrides", nargs="*", help="overrides for the encoder: agent.backbone.KEY=VALUE")
    arguments = parser.parse_args()
    data, tested = pathlib.Path(arguments.data), pathlib.Path(arguments.tested)
    x, new_x = embeddings(arguments, data), embeddings(arguments, tested)
    y, new_y = box_positions(data), box_positions(tested)
    width, ridge = min(itertools.product(WIDTHS, RIDGES), key=lambda choice: left_out_error(x, y, *choice))
    errors = np.linalg.norm(predict(x, y, new_x, width, ridge) - new_y, axis=1)
    print(
        f"{len(x)} demonstrations, kernel width {width}, ridge {ridge}: error on {len(new_x)} unseen episodes "
        f"RMS {np.sqrt((errors**2).mean()):.1f} mm, median {np.median(errors):.1f} mm"
    )


if __name__ == "__main__":
    main()
