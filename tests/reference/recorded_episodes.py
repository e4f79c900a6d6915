"""Writes episodes in the variants that recorders produce, one folder for each variant.

    recorded_episodes.py FOLDER

Episodes have 6 rows, a state and an action of 3 values each, and the camera "top" with 8x10 pixels:
    qpos[t, d] = t + d / 16       action[t, d] = 100 + t + d / 16
    frame[t, y, x, c] = (10 t + 8 y + 6 x + 20 c) mod 256
JPEG frames are encoded as in act_episodes.py, the way OpenCV encodes an array.
"""

import io
import os
import sys

import h5py
import numpy as np
from PIL import Image

LENGTH, STATE, HEIGHT, WIDTH = 6, 3, 8, 10


def table(offset, rows=LENGTH):
    t, d = np.meshgrid(np.arange(rows), np.arange(STATE), indexing="ij")
    return offset + t + d / 16.0


def frames():
    t, y, x, c = np.meshgrid(np.arange(LENGTH), np.arange(HEIGHT), np.arange(WIDTH), np.arange(3),
                             indexing="ij")
    return ((10 * t + 8 * y + 6 * x + 20 * c) % 256).astype(np.uint8)


def encode_as_opencv(frame, kind):
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(frame[..., ::-1])).save(out, kind)
    return out.getvalue()


def encoded(kind):
    return [encode_as_opencv(frame, kind) for frame in frames()]


def decoded(rows):
    return np.stack([np.asarray(Image.open(io.BytesIO(row)))[..., ::-1] for row in rows])


def padded(rows):
    longest = max(len(row) for row in rows)
    return np.stack([np.frombuffer(row.ljust(longest, b"\0"), np.uint8) for row in rows])


class Writer:
    """Writes one episode into a folder. `images` adds the camera to the image group; `change` modifies the file."""

    def __init__(self, root):
        self.root = root

    def __call__(self, folder, images=None, index=0, change=None, action=None, qpos=None, **kwargs):
        folder = os.path.join(self.root, folder)
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, f"episode_{index}.hdf5")
        with h5py.File(path, "w", **kwargs) as file:
            file.create_dataset("observations/qpos", data=table(0) if qpos is None else qpos)
            file.create_dataset("observations/qvel", data=np.zeros((LENGTH, STATE)))
            file.create_dataset("action", data=table(100) if action is None else action)
            group = file.create_group("observations/images")
            if images is None:
                group.create_dataset("top", data=frames(), chunks=(1, HEIGHT, WIDTH, 3))
            else:
                images(group)
            if change is not None:
                change(file)
        return path


def plain(**kwargs):
    return lambda group: group.create_dataset("top", data=frames(),
                                              chunks=(1, HEIGHT, WIDTH, 3), **kwargs)


def array(values):
    return lambda group: group.create_dataset("top", data=values)


def lists(rows, dtype):
    def add(group):
        dataset = group.create_dataset("top", (LENGTH,), dtype=h5py.vlen_dtype(dtype))
        for t, row in enumerate(rows):
            dataset[t] = np.frombuffer(row, dtype)
    return add


def write_readable(write):
    jpeg, png = encoded("JPEG"), encoded("PNG")
    decoded(jpeg).tofile(os.path.join(write.root, "jpeg.raw"))
    write("lzf", plain(compression="lzf"))
    write("lzf_shuffled", plain(compression="lzf", shuffle=True, fletcher32=True))
    longest = max(map(len, jpeg))
    write("strings", array(np.array(jpeg, f"S{longest}")))
    write("column_of_strings", array(np.array(jpeg, f"S{longest}")[:, None]))
    write("opaque", array(np.array([np.void(row.ljust(longest, b"\0")) for row in jpeg])))
    write("signed", array(padded(jpeg).view(np.int8)))
    write("lists", lists(jpeg, np.uint8))
    write("signed_lists", lists(jpeg, np.int8))
    write("png", array(padded(png)))
    write("png_lists", lists(png, np.uint8))
    mixed = [png[t] if t % 2 else encode_as_opencv(frames()[t], "BMP") for t in range(LENGTH)]
    write("bmp", array(padded(mixed)))
    depth = io.BytesIO()
    Image.fromarray(frames()[0, ..., 0].astype(np.uint16)).save(depth, "PNG")
    write("png_depth", array(padded([depth.getvalue()] * LENGTH)))


def write_sizes(write):
    """A second episode with frames of half the height."""
    for kind in ("JPEG", "PNG"):
        write("two_sizes_" + kind, lists(encoded(kind), np.uint8))
        half = [encode_as_opencv(frame[::2], kind) for frame in frames()]
        write("two_sizes_" + kind, lists(half, np.uint8), index=1)


def write_transparent(write):
    rows = []
    for frame in frames():
        # OpenCV's array [H, W, 4] is BGRA.
        rgba = np.concatenate([frame[..., ::-1], frame[..., :1]], -1)
        out = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(rgba), "RGBA").save(out, "PNG")
        rows.append(out.getvalue())
    write("png_transparent", lists(rows, np.uint8))

    def column(group):
        dataset = group.create_dataset("top", (LENGTH, 1), dtype=h5py.vlen_dtype(np.uint8))
        for t, row in enumerate(rows):
            dataset[t, 0] = np.frombuffer(row, np.uint8)
    write("png_column", column)


def write_number_types(write):
    """States and actions of other dtypes and ranks, and files under other names."""
    write("bool_action", action=table(0) % 2 < 1)
    write("one_column", action=table(100)[:, 0], qpos=table(0)[:, 0].astype(">f4"))

    def named(name, number):
        os.replace(write("names_" + name, index=0, qpos=table(10 * number)),
                   os.path.join(write.root, "names_" + name, f"episode_{number}.{name}"))
    for number in (2, 10):
        for name in ("h5", "HDF5"):
            named(name, number)
    write("same_number", index=1)
    write("same_number", index="01")


def write_cameras(write):
    def two(group):
        group["top"] = frames()
        group["wrist"] = 255 - frames()
        group["top_depth"] = frames()[..., 0].astype(np.uint16)
        group["wrist_depth"] = frames()[..., :1].astype(np.float32)
    write("two_cameras", two)
    write("fewer_cameras", two)
    write("fewer_cameras", plain(), index=1)


def write_unreadable(write):
    f = frames()
    write("chw", array(f.transpose(0, 3, 1, 2)))
    write("gray", array(f[..., 0]))
    write("gray_channel", array(f[..., :1]))
    write("rgba", array(np.concatenate([f, f[..., :1]], -1)))
    write("floats", array((f / 255).astype(np.float32)))
    write("float_chw", array((f / 255).transpose(0, 3, 1, 2)))
    write("depth", array(f[..., 0].astype(np.uint16)))
    write("int8", array(f.view(np.int8)))
    write("short", array(f[:-1]))

    def one_a_frame(group):
        for t, frame in enumerate(f):
            group.create_dataset(f"top/{t:06d}", data=frame)
    write("one_a_frame", one_a_frame)

    def text(group):
        group.create_dataset("top", data=[f"frames/{t}.jpg" for t in range(LENGTH)],
                             dtype=h5py.string_dtype())
    write("text", text)

    def blosc(group, mask):
        creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        creation.set_chunk((1, HEIGHT, WIDTH, 3))
        creation.set_filter(32001, h5py.h5z.FLAG_OPTIONAL, (2, 2, 1))
        space = h5py.h5s.create_simple(f.shape)
        dataset = h5py.h5d.create(group.id, b"top", h5py.h5t.NATIVE_UINT8, space, creation)
        for t in range(LENGTH):
            dataset.write_direct_chunk((t, 0, 0, 0), f[t].tobytes(), filter_mask=mask)
    write("blosc", lambda group: blosc(group, 0))
    write("blosc_left_out", lambda group: blosc(group, 1))

    def half_written(group):
        dataset = group.create_dataset("top", f.shape, np.uint8, chunks=(1, HEIGHT, WIDTH, 3))
        dataset[:4] = f[:4]
    write("half_written", half_written)
    write("never_written", lambda group: group.create_dataset("top", f.shape, np.uint8))


def write_tables(write):
    write("action_short", action=table(100, LENGTH - 1))
    write("qpos_3d", qpos=table(0)[:, None])
    write("qpos_text", qpos=np.full((LENGTH, STATE), b"x"))
    for name, rows in (("env_more", LENGTH + 1), ("env_less", LENGTH - 1)):
        write(name)
        write(name, index=1, change=lambda file, rows=rows: file.create_dataset("env_state", data=table(7, rows)))
    write("labels_less", change=lambda file: file.create_dataset("observations/labels/box",
                                                                 data=table(7, LENGTH - 1)))
    write("env_in_some")
    write("env_in_some", index=1,
          change=lambda file: file.create_dataset("env_state", data=table(7)))

    def beside(file):
        file["base_action"] = np.zeros((LENGTH, 2))
        file["observations/effort"] = np.zeros((LENGTH, STATE))
        file["observations/images/wrist"] = frames()
        file["lost"] = h5py.SoftLink("/nowhere")
    write("beside", change=beside)
    write("beside", index=1, change=beside)


def write_attributes(write):
    def attributes(**values):
        return lambda file: file.attrs.update(values)
    write("attributes", index=0, change=attributes(sim="False", seed="12", success=b"yes",
                                                   control_hz="50"))
    write("attributes", index=1, change=attributes(sim=np.array([False]), seed=np.float64(12),
                                                   success=np.int8(0), control_hz=50))
    write("attributes", index=2, change=attributes(sim=np.bool_(True), seed=np.int64(-1),
                                                   success="who knows", control_hz=np.nan))
    write("attributes", index=3, change=attributes(sim=np.arange(3), seed=np.arange(1000)))
    for index, rate in enumerate((49.8, 50.0, 50.3, 50.2)):
        write("rates", index=index, change=attributes(control_hz=rate))
    for index, rate in enumerate((50.0, 50.0, 30.0)):
        write("two_rates", index=index, change=attributes(control_hz=rate))


def write_links(write):
    write("linked", lambda group: group.__setitem__(
        "top", h5py.ExternalLink("frames.h5", "/top")))
    with h5py.File(os.path.join(write.root, "linked", "frames.h5"), "w") as file:
        # A dataset before the frames, so that their offset differs from that in the episode's own file.
        file["first"] = np.zeros(1000)
        file["top"] = frames()
    write("link_lost", lambda group: group.__setitem__(
        "top", h5py.ExternalLink("frames.h5", "/top")))

    def virtual(group):
        layout = h5py.VirtualLayout(frames().shape, np.uint8)
        layout[:] = h5py.VirtualSource("frames.h5", "top", frames().shape)
        group.create_virtual_dataset("top", layout)
    write("virtual_lost", virtual)


def die(work):
    """Runs `work` in a child process that exits without closing the file that `work` returns."""
    process = os.fork()
    if process == 0:
        file = work()
        os._exit(0 if file else 1)
    os.waitpid(process, 0)


def write_crashed(write):
    """Files of recorders that died in SWMR mode or before flushing, and a truncated file."""
    def swmr():
        file = h5py.File(write("crashed", libver="latest"), "r+", libver="latest")
        file.swmr_mode = True
        file.flush()
        return file

    def never_flushed():
        file = h5py.File(write("never_flushed"), "w")
        file.create_dataset("action", data=np.ones((1000, STATE)))
        file.create_dataset("observations/qpos", data=np.ones((1000, STATE)))
        return file
    die(swmr)
    die(never_flushed)
    path = write("cut_off")
    os.truncate(path, os.path.getsize(path) // 2)


def main():
    write = Writer(sys.argv[1])
    write_readable(write)
    write_sizes(write)
    write_transparent(write)
    write_number_types(write)
    write_cameras(write)
    write_unreadable(write)
    write_tables(write)
    write_attributes(write)
    write_links(write)
    write_crashed(write)


if __name__ == "__main__":
    main()
