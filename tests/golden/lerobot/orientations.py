"""Writes orientations.json: JPEGs with an EXIF orientation, and the pixels that LeRobot finds in them.

    pip install datasets pillow numpy && python tests/golden/lerobot/orientations.py

LeRobot reads images with datasets.Image. Written with datasets 5.2.0 and Pillow 13.0.0.
"""

import io
import json
import pathlib

import datasets
import numpy as np
import PIL.Image

pixels = np.random.default_rng(1).integers(0, 256, (2, 3, 3), dtype=np.uint8)
image = PIL.Image.fromarray(pixels.repeat(8, 0).repeat(8, 1))
cases = []
for orientation in range(9):
    for endian in "<>":
        exif = PIL.Image.Exif()
        exif.endian = endian
        exif[0x10F] = "a camera"
        exif[0x112] = orientation
        file = io.BytesIO()
        image.save(file, "JPEG", quality=95, subsampling=0, exif=exif)
        upright = np.asarray(datasets.Image().decode_example({"bytes": file.getvalue(), "path": None}))
        cases.append({"jpeg": file.getvalue().hex(), "shape": upright.shape,
                      "corners": [upright[4, 4].tolist(), upright[4, -4].tolist(), upright[-4, 4].tolist()]})
cmyk = io.BytesIO()
PIL.Image.new("CMYK", (8, 8), (10, 60, 200, 30)).save(cmyk, "JPEG")
webp = io.BytesIO()
image.save(webp, "WEBP")
out = {"cases": cases, "cmyk": cmyk.getvalue().hex(),
       "webp": webp.getvalue().hex()}
(pathlib.Path(__file__).parent / "orientations.json").write_text(json.dumps(out) + "\n")
