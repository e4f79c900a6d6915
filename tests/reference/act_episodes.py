"""Writes and checks episodes in ACT's HDF5 layout with h5py.

    act_episodes.py write FOLDER    writes plain/, padded/, variable/ and contiguous/
    act_episodes.py verify FILE...  checks files written by roboimi; exits with status 1 if one differs

The values follow these formulas, which the C++ test uses too:
    qpos[t, d] = t + d / 16       action[t, d] = 100 + t + d / 16
    frame[t, y, x, c] = (7 t + 3 y + 5 x + 11 c + 40 (camera is "top")) mod 256
"""

import io
import os
import sys

import h5py
import numpy as np
from PIL import Image

LENGTH, STATE, HEIGHT, WIDTH = 6, 14, 16, 24
CAMERAS = ["front", "top"]


def table(offset, width):
    t, d = np.meshgrid(np.arange(LENGTH), np.arange(width), indexing="ij")
    return offset + t + d / 16.0


def frames(camera):
    t, y, x, c = np.meshgrid(np.arange(LENGTH), np.arange(HEIGHT), np.arange(WIDTH), np.arange(3),
                             indexing="ij")
    return ((7 * t + 3 * y + 5 * x + 11 * c + 40 * (camera == "top")) % 256).astype(np.uint8)


def smooth_frames(camera):
    """Frames that JPEG compresses with little loss; channel 0 is bright and channel 2 is dark."""
    frame = np.zeros((LENGTH, HEIGHT, WIDTH, 3), np.uint8)
    frame[..., 0] = 200 + np.arange(LENGTH)[:, None, None] * 8
    frame[..., 1] = np.arange(WIDTH) * 4 + 20 * (camera == "top")
    frame[..., 2] = 10
    return frame


def encode_as_opencv(frame):
    """Encodes as cv2.imencode does: it expects channels in the order blue, green, red; PIL expects red, green, blue."""
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(frame[..., ::-1])).save(out, "JPEG", quality=90)
    return np.frombuffer(out.getvalue(), np.uint8)


def decode_as_opencv(data):
    return np.asarray(Image.open(io.BytesIO(data.tobytes())))[..., ::-1]


def new_file(folder, index, sim):
    os.makedirs(folder, exist_ok=True)
    root = h5py.File(os.path.join(folder, f"episode_{index}.hdf5"), "w")
    root.attrs["sim"] = sim
    observations = root.create_group("observations")
    # ACT's recorder stores numpy's default float64.
    observations.create_dataset("qpos", data=table(0, STATE))
    observations.create_dataset("qvel", data=np.zeros((LENGTH, STATE)))
    root.create_dataset("action", data=table(100, STATE))
    return root, observations.create_group("images")


def write_plain(folder):
    # Episode 10 comes after episode 2: the order is numeric.
    for index, sim in [(0, True), (2, False), (10, True)]:
        root, images = new_file(folder, index, sim)
        for camera in CAMERAS:
            images.create_dataset(camera, data=frames(camera), chunks=(1, HEIGHT, WIDTH, 3))
        root.close()


def write_contiguous(folder):
    root, images = new_file(folder, 0, True)
    root["env_state"] = table(7, 3)
    images.create_dataset("front", data=frames("front"))
    images.create_dataset("top", data=frames("top"), chunks=(4, HEIGHT, WIDTH, 3))
    images.create_dataset("zipped", data=frames("front"), chunks=(1, HEIGHT, WIDTH, 3),
                          compression="gzip")
    images.create_dataset("tiled", data=frames("front"), chunks=(1, HEIGHT // 2, WIDTH, 3))
    root.close()


def write_compressed(folder, padded):
    root, images = new_file(folder, 0, False)
    root.attrs["compress"] = True
    for camera in CAMERAS:
        encoded = [encode_as_opencv(frame) for frame in smooth_frames(camera)]
        decoded = np.stack([decode_as_opencv(data) for data in encoded])
        decoded.tofile(os.path.join(folder, f"decoded_{camera}.raw"))
        if padded:
            longest = max(len(data) for data in encoded)
            rows = np.stack([np.pad(data, (0, longest - len(data))) for data in encoded])
            images.create_dataset(camera, data=rows, chunks=(1, longest))
        else:
            rows = images.create_dataset(camera, (LENGTH,), dtype=h5py.vlen_dtype(np.uint8))
            for t, data in enumerate(encoded):
                rows[t] = data
    root.close()


def verify(path):
    with h5py.File(path, "r") as root:
        compressed = bool(root.attrs.get("compress", False))
        assert isinstance(root.attrs["sim"], np.bool_) and root.attrs["sim"]
        assert isinstance(root.attrs["success"], np.bool_) and root.attrs["success"]
        assert root.attrs["seed"] == 2**63 + 17, root.attrs["seed"]
        assert root.attrs["control_hz"] == 20.0
        assert root["/observations/qpos"].dtype == np.float32
        np.testing.assert_array_equal(root["/observations/qpos"], table(0, STATE))
        np.testing.assert_array_equal(root["/observations/qvel"], np.zeros((LENGTH, STATE)))
        np.testing.assert_array_equal(root["/observations/env_state"], table(7, 3))
        np.testing.assert_array_equal(root["/action"], table(100, STATE))
        np.testing.assert_array_equal(root["/observations/labels/box_position"], table(40, 3))
        np.testing.assert_array_equal(root["/observations/labels/tip_position"], table(50, 2))
        for camera in CAMERAS:
            images = root["/observations/images/" + camera]
            if compressed:
                decoded = np.stack([decode_as_opencv(row) for row in images])
                difference = decoded.astype(int) - smooth_frames(camera)
                assert np.abs(difference).max() <= 12, np.abs(difference).max()
            else:
                assert images.chunks == (1, HEIGHT, WIDTH, 3)
                np.testing.assert_array_equal(images, frames(camera))


def main():
    command, arguments = sys.argv[1], sys.argv[2:]
    if command == "write":
        folder = arguments[0]
        write_plain(os.path.join(folder, "plain"))
        write_contiguous(os.path.join(folder, "contiguous"))
        write_compressed(os.path.join(folder, "padded"), padded=True)
        write_compressed(os.path.join(folder, "variable"), padded=False)
    elif command == "verify":
        for path in arguments:
            verify(path)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
