"""Writes HDF5 files in robomimic's layout, each in one variant.

    robomimic_files.py FOLDER

For demonstration n, row t, column d and pixel (y, x, c):
    KEY[t, d] = 1000 n + 10 t + d + offset of KEY      actions[t, d] = -(1000 n + 10 t + d)
    image[t, y, x, c] = (7 n + 10 t + 8 y + 6 x + 20 c) mod 256
"""

import io
import json
import os
import sys

import h5py
import numpy as np
from PIL import Image

HEIGHT, WIDTH = 8, 10
OFFSETS = {"robot0_eef_pos": 0.25, "robot0_eef_quat": 0.5, "robot0_gripper_qpos": 0.75, "object": 0.125}
WIDTHS = {"robot0_eef_pos": 3, "robot0_eef_quat": 4, "robot0_gripper_qpos": 2, "object": 5}
NUMBERS = (14, 2, 10, 1, 9, 3)  # not in order, with gaps
LENGTHS = {1: 5, 2: 6, 3: 7, 9: 8, 10: 9, 14: 10}


def table(number, rows, columns, offset=0.0):
    t, d = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    return 1000.0 * number + 10.0 * t + d + offset


def image(number, rows):
    t, y, x, c = np.meshgrid(np.arange(rows), np.arange(HEIGHT), np.arange(WIDTH), np.arange(3), indexing="ij")
    return ((7 * number + 10 * t + 8 * y + 6 * x + 20 * c) % 256).astype(np.uint8)


def add_demo(file, number, rows, **image_storage):
    demo = file.create_group(f"data/demo_{number}")
    demo["actions"] = -table(number, rows, 7)
    for key, columns in WIDTHS.items():
        demo[f"obs/{key}"] = table(number, rows, columns, OFFSETS[key])
    demo.create_dataset("obs/agentview_image", data=image(number, rows), **image_storage)
    demo.create_dataset("obs/wrist_image", data=255 - image(number, rows), **image_storage)
    demo["obs/agentview_depth"] = np.ones((rows, HEIGHT, WIDTH, 1), np.float32)
    return demo


def demos(file, numbers=range(4), rows=5, **image_storage):
    for number in numbers:
        add_demo(file, number, rows, **image_storage)
    return file["data"]


class Writer:
    def __init__(self, root):
        self.root = root

    def __call__(self, name):
        return h5py.File(os.path.join(self.root, name + ".hdf5"), "w")


def write_masks(write):
    fixed = lambda names: np.array(names, "S")  # noqa: E731
    variable = lambda names: np.array(names, h5py.string_dtype())  # noqa: E731
    for kind, strings in (("fixed", fixed), ("variable", variable)):
        with write(f"bad_masks_{kind}") as file:
            demos(file)
            file["mask/train"] = strings(["demo_0", "demo_1", "demo_2", "demo_3"])
            file["mask/valid"] = strings(["demo_3", "demo_9"])
        with write(f"masks_{kind}") as file:
            demos(file)
            file["mask/train"] = strings(["demo_3", "demo_0"])
            file["mask/valid"] = strings(["demo_1"])
            file["mask/50_percent"] = strings(["demo_0", "demo_1"])
            file["mask/50_percent_train"] = strings(["demo_0"])
    with write("val_mask") as file:
        demos(file)
        file["mask/20_percent_train"] = variable(["demo_0"])
        file["mask/20_percent_val"] = variable(["demo_0", "demo_1"])
    with write("no_masks") as file:
        demos(file)
    with write("number_mask") as file:
        demos(file)
        file["mask/train"] = np.arange(3)


def write_rates(write):
    args = {"env_name": "Lift", "type": 1, "env_kwargs": {"control_freq": 20, "robots": ["Panda"]}}
    for name, text in (("rate", json.dumps(args)), ("broken_args", "{"), ("list_args", "[1, 2]"),
                       ("negative_rate", '{"env_kwargs": {"control_freq": -5}}')):
        with write(name) as file:
            demos(file, [0])
            file["data"].attrs["env_args"] = text


def write_defects(write):
    with write("short_state") as file:
        demos(file)
        del file["data/demo_2/obs/robot0_eef_pos"]
        file["data/demo_2/obs/robot0_eef_pos"] = table(2, 4, 3)
    with write("no_actions") as file:
        demos(file)
        del file["data/demo_1/actions"]
    with write("other_size") as file:
        demos(file)
        del file["data/demo_3/obs/agentview_image"]
        file["data/demo_3/obs/agentview_image"] = np.zeros((5, 16, 10, 3), np.uint8)
    with write("other_width") as file:
        demos(file)
        del file["data/demo_1/actions"]
        file["data/demo_1/actions"] = table(1, 5, 6)
    with write("same_number") as file:
        demos(file)
        file.move("data/demo_3", "data/demo_01")
    with write("broken_link") as file:
        demos(file)
        file["data/demo_0/obs/state"] = h5py.ExternalLink("missing.hdf5", "/state")
    with write("action") as file:
        demos(file, [0])
        file.move("data/demo_0/actions", "data/demo_0/action")
    with write("empty_demo") as file:
        demos(file, [0])
        file["data/demo_1/actions"] = np.zeros((0, 7))
    with write("no_demos") as file:
        file["other/data"] = np.zeros(3)


def write_keys(write):
    with write("own_keys") as file:
        for number in range(2):
            demo = file.create_group(f"data/demo_{number}")
            demo["abs_actions"] = -table(number, 5, 1)[:, 0]
            demo["obs/gripper"] = table(number, 5, 1)[:, 0]
            demo["obs/joints"] = table(number, 5, 2).astype(np.float32)
            demo["obs/rgb"] = image(number, 5)
    with write("libero") as file:
        demo = file.create_group("data/demo_0")
        demo["actions"] = table(0, 5, 7)
        demo["obs/ee_states"] = table(0, 5, 6)
        demo["obs/ee_pos"] = table(0, 5, 3)
        demo["obs/gripper_states"] = table(0, 5, 2)
        demo["obs/joint_states"] = table(0, 5, 7)
        demo["obs/agentview_rgb"] = image(0, 5)
    with write("state_key") as file:
        demo = file.create_group("data/demo_0")
        demo["actions"] = table(0, 5, 2)
        demo["obs/state"] = table(0, 5, 2)
        demo["obs/extra"] = table(0, 5, 2)
        demo["obs/rgb"] = image(0, 5)
        demo.attrs["success"] = True
        demo.attrs["seed"] = 42
        file.create_group("data/metadata")


def write_cameras(write):
    """One camera in a layout that is read, or not, beside others that are."""
    layouts = {"channels_first": np.moveaxis(image(0, 5), -1, 1), "float_images": image(0, 5) / 255,
               "rgba": np.zeros((5, HEIGHT, WIDTH, 4), np.uint8)}
    for name, values in layouts.items():
        with write(name) as file:
            demos(file, [0])["demo_0/obs/side_image"] = values
    with write("png_images") as file:
        images = demos(file, [0])["demo_0/obs"].create_dataset("side_image", (5,), h5py.vlen_dtype(np.uint8))
        for t, frame in enumerate(image(0, 5)):
            out = io.BytesIO()
            Image.fromarray(np.ascontiguousarray(frame[..., ::-1])).save(out, "PNG")
            images[t] = np.frombuffer(out.getvalue(), np.uint8)
    with write("bool_state") as file:
        demos(file, [0])["demo_0/obs/state"] = table(0, 5, 2) % 2 < 1
    with write("no_observations") as file:
        file["data/demo_0/actions"] = table(0, 5, 7)
        file["data/demo_0/states"] = table(0, 5, 32)
    with write("no_wrist") as file:
        del demos(file)["demo_2/obs/wrist_image"]


def main():
    root = sys.argv[1]
    os.makedirs(root, exist_ok=True)
    write = Writer(root)
    with write("gaps") as file:
        for number in NUMBERS:
            add_demo(file, number, LENGTHS[number])
    with write("gzip") as file:
        demos(file, [0], compression="gzip", chunks=(1, HEIGHT, WIDTH, 3))
    with write("act") as file:
        file["observations/qpos"] = table(0, 5, 3)
        file["observations/images/top"] = image(0, 5)
        file["action"] = table(0, 5, 3)
    write_masks(write)
    write_rates(write)
    write_defects(write)
    write_keys(write)
    write_cameras(write)


if __name__ == "__main__":
    main()
