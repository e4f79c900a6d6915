"""Writes the zarr datasets of tests/golden/zarr with zarr's Python package. Not run by the tests.

    python -m venv venv; venv/bin/pip install zarr==2.18.3 numcodecs==0.13.1
    venv/bin/python zarr_files.py tests/golden/zarr

Three episodes of 3, 4 and 2 rows. For row n of the whole dataset, column d and pixel (y, x, c):
    NAME[n, d] = 10 n + d + 0.25      action[n, d] = -(10 n + d)
    img[n, y, x, c] = (11 n + 8 y + 6 x + 20 c) mod 256
The attribute written_by of each root records the versions.
"""

import json
import os
import shutil
import sys
import zipfile

import numcodecs
import numpy as np
import zarr
from numcodecs import GZip, Zlib, Zstd
from numcodecs.blosc import Blosc

ENDS = np.array([3, 7, 9])
ROWS, HEIGHT, WIDTH = 9, 6, 8
CHUNK = 4  # rows, so that chunks and episodes do not begin together


def table(columns, dtype=np.float32, offset=0.25):
    n, d = np.meshgrid(np.arange(ROWS), np.arange(columns), indexing="ij")
    return (10 * n + d + offset).astype(dtype)


def images(dtype=np.uint8):
    n, y, x, c = np.meshgrid(np.arange(ROWS), np.arange(HEIGHT), np.arange(WIDTH), np.arange(3), indexing="ij")
    return ((11 * n + 8 * y + 6 * x + 20 * c) % 256).astype(dtype)


def add(root, name, values, compressor, chunks=None, **options):
    if chunks is None:
        chunks = (CHUNK, *values.shape[1:])
    root.create_dataset(name, data=values, chunks=chunks, compressor=compressor, **options)


def buffer(store):
    root = zarr.group(store=store, overwrite=True)
    root.attrs["written_by"] = (f"zarr {zarr.__version__}, numcodecs {numcodecs.__version__}, "
                                f"numpy {np.__version__}")
    root.create_dataset("meta/episode_ends", data=ENDS, chunks=(3,), compressor=None)
    add(root, "data/action", -table(2, offset=0.0), Blosc("zstd", 5, Blosc.SHUFFLE))
    return root


def write_pusht(folder):
    """As diffusion_policy's PushT: float images, a state with the block's pose, key points."""
    root = buffer(zarr.DirectoryStore(f"{folder}/pusht.zarr"))
    compressor = Blosc("zstd", 5, Blosc.BITSHUFFLE)
    add(root, "data/img", images(np.float32), compressor)
    add(root, "data/state", table(5), compressor)
    add(root, "data/keypoint", np.zeros((ROWS, 9, 2), np.float32), compressor)
    add(root, "data/n_contacts", table(1), compressor)


def write_codecs(folder):
    """One camera for each codec, and one vector for each dtype, in an uncompressed zip archive."""
    store = zarr.ZipStore(f"{folder}/codecs.zarr.zip", mode="w")
    root = buffer(store)
    codecs = {"none": None, "zlib": Zlib(5), "gzip": GZip(5), "zstd": Zstd(3)}
    for library, shuffle in (("blosclz", Blosc.SHUFFLE), ("lz4", Blosc.NOSHUFFLE), ("lz4", Blosc.BITSHUFFLE),
                             ("lz4hc", Blosc.SHUFFLE), ("zlib", Blosc.SHUFFLE), ("zstd", Blosc.NOSHUFFLE)):
        codecs[f"blosc_{library}_{shuffle}"] = Blosc(library, 5, shuffle)
    for name, codec in codecs.items():
        add(root, f"data/{name}", images(), codec)
    # Chunks that split every dimension, in both orders.
    for order in ("C", "F"):
        add(root, f"data/split_{order}", images(), Zstd(3), chunks=(5, 4, 5, 2), order=order)
    add(root, "data/column_major", table(4), Blosc("lz4"), order="F", chunks=(4, 3))
    add(root, "data/agent_pos", table(3, np.float64), None)
    for dtype in ("<f2", ">f4", ">f8", "<i4", ">i2", "|i1", "<u2", ">u4", "<u8", "|u1"):
        name = dtype.replace("<", "little_").replace(">", "big_").replace("|", "")
        add(root, f"data/{name}", table(2, dtype), Zlib(1))
    add(root, "data/flags", np.arange(ROWS) % 2 == 0, None)
    store.close()


def write_nested(folder):
    """Chunks as 0/0/0/0; `old` also, but its description does not say so."""
    root = buffer(zarr.NestedDirectoryStore(f"{folder}/nested.zarr"))
    add(root, "data/img", images(), Blosc("lz4"), chunks=(CHUNK, 3, WIDTH, 3))
    add(root, "data/old", images(), None, chunks=(CHUNK, HEIGHT, 4, 3))
    add(root, "data/agent_pos", table(2), None)
    file = f"{folder}/nested.zarr/data/old/.zarray"
    with open(file) as text:
        description = json.load(text)
    del description["dimension_separator"]
    with open(file, "w") as text:
        json.dump(description, text)


def write_umi(folder):
    """As UMI's datasets: images with a codec of the package imagecodecs, poses and grippers."""
    store = zarr.ZipStore(f"{folder}/umi.zarr.zip", mode="w")
    root = buffer(store)
    blosc = Blosc("lz4", 5)
    for robot in range(2):
        add(root, f"data/robot{robot}_eef_pos", table(3), blosc)
        add(root, f"data/robot{robot}_eef_rot_axis_angle", table(3), blosc)
        add(root, f"data/robot{robot}_gripper_width", table(1), blosc)
        add(root, f"data/robot{robot}_demo_start_pose", table(6, np.float64), blosc)
    add(root, "data/camera1_rgb", images(), blosc)
    store.close()
    description = {"zarr_format": 2, "shape": [ROWS, HEIGHT, WIDTH, 3], "chunks": [1, HEIGHT, WIDTH, 3],
                   "dtype": "|u1", "fill_value": 0, "order": "C", "filters": None,
                   "compressor": {"id": "imagecodecs_jpegxl", "level": 99, "lossless": False}}
    with zipfile.ZipFile(f"{folder}/umi.zarr.zip", "a") as archive:
        archive.writestr("data/camera0_rgb/.zarray", json.dumps(description))
        for row in range(ROWS):
            archive.writestr(f"data/camera0_rgb/{row}.0.0.0", b"\xff\x0a not decoded")


def write_zipped_folder(folder):
    """A folder that was zipped with its name and deflated."""
    with zipfile.ZipFile(f"{folder}/zipped_folder.zarr.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for root, _, names in sorted(os.walk(f"{folder}/pusht.zarr")):
            for name in sorted(names):
                file = os.path.join(root, name)
                archive.write(file, os.path.relpath(file, folder))


def main():
    folder = sys.argv[1]
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    write_pusht(folder)
    write_codecs(folder)
    write_nested(folder)
    write_umi(folder)
    write_zipped_folder(folder)


if __name__ == "__main__":
    main()
