"""Golden videos for tests/unit/io/video_pixels_test.cpp: small clips, and the SHA-256 of every frame as PyAV decodes it.

    python -m venv /tmp/golden && /tmp/golden/bin/pip install av==15.1.0 numpy==2.4.6
    /tmp/golden/bin/python tests/golden/videos.py

writes videos/*.mp4 and videos/frames.json beside itself. PyAV brings its own FFmpeg, whose versions frames.json records.
If torchcodec is installed too (0.17.0 with torch 2.13.0, running on the same FFmpeg), it must give equal frames, except
of videos with odd sides: there it places the chroma planes differently from PyAV, which roboimi follows.
"""

import fractions
import hashlib
import importlib.metadata
import importlib.util
import json
import pathlib

import av
import numpy as np

FOLDER = pathlib.Path(__file__).parent / "videos"
SIZES = [(96, 96), (48, 64), (66, 70), (16, 18), (48, 80)]  # height, width
ODD_SIZES = [(97, 131), (65, 67)]  # 4:2:0 with odd sides: AV1 and VP9 alone have it
OPTIONS = {
    "libx264": {"g": "2", "crf": "30"},
    "libx265": {"x265-params": "log-level=0:keyint=4", "crf": "30"},
    "libsvtav1": {"g": "2", "crf": "30", "preset": "12"},
    "libvpx-vp9": {"g": "4", "crf": "30"},
}


def image(height, width, pixel_format, step):
    """Noise in blocks, in every plane, that moves with the step. No conversion: it may write past small frames."""
    frame = av.VideoFrame(width, height, pixel_format)
    for plane in frame.planes:
        shape = plane.buffer_size // plane.line_size, plane.line_size
        blocks = np.random.default_rng(height * width).integers(16, 236, (shape[0] // 8 + 2, shape[1] // 8 + 2))
        pixels = np.kron(blocks, np.ones((8, 8))).astype(np.uint8)
        pixels = np.roll(pixels, (step, 2 * step), (0, 1))[: shape[0], : shape[1]]
        plane.update(np.ascontiguousarray(pixels).tobytes())
    return frame


def write(name, encoder, size, count=4, pixel_format="yuv420p", colors=None, options=None):
    with av.open(str(FOLDER / name), "w") as container:
        stream = container.add_stream(encoder, rate=25, options=options or OPTIONS[encoder])
        stream.height, stream.width = size
        stream.pix_fmt = pixel_format
        if colors:
            stream.codec_context.colorspace, stream.codec_context.color_range = colors
        for step in range(count):
            frame = image(*size, pixel_format, step)
            frame.pts, frame.time_base = step, fractions.Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def rgb_frames(name):
    """Frames as LeRobot's torchcodec converts them: by the scale filter, with the stream's matrix and range."""
    with av.open(str(FOLDER / name)) as container:
        graph = av.filter.Graph()
        nodes = [
            graph.add_buffer(template=container.streams.video[0]),
            graph.add("scale", "flags=bilinear"),
            graph.add("format", "pix_fmts=rgb24"),
            graph.add("buffersink"),
        ]
        graph.link_nodes(*nodes).configure()
        for frame in container.decode(video=0):
            graph.vpush(frame)
            yield graph.vpull().to_ndarray(format="rgb24")


def torchcodec_version():
    return importlib.metadata.version("torchcodec") if importlib.util.find_spec("torchcodec") else None


def check_against_torchcodec(name, frames):
    from torchcodec.decoders import VideoDecoder

    decoded = VideoDecoder(str(FOLDER / name), device="cpu", dimension_order="NHWC")
    assert len(decoded) == len(frames), name
    for i, frame in enumerate(frames):
        assert np.array_equal(decoded[i].numpy(), frame), (name, i)


def hashes(name):
    frames = list(rgb_frames(name))
    if torchcodec_version() and all(side % 2 == 0 for side in frames[0].shape[:2]):
        check_against_torchcodec(name, frames)
    return {
        "size": list(frames[0].shape[:2]),
        "frames": [hashlib.sha256(pixels.tobytes()).hexdigest() for pixels in frames],
    }


def main():
    FOLDER.mkdir(exist_ok=True)
    videos = {}

    def add(name, *arguments, **keywords):
        write(name, *arguments, **keywords)
        videos[name] = hashes(name)

    for height, width in SIZES:
        add(f"h264_{height}x{width}.mp4", "libx264", (height, width))
        add(f"hevc_{height}x{width}.mp4", "libx265", (height, width))
        if min(height, width) >= 64:
            add(f"av1_{height}x{width}.mp4", "libsvtav1", (height, width))
    for height, width in ODD_SIZES:
        add(f"av1_{height}x{width}.mp4", "libsvtav1", (height, width))
    for height, width in [(33, 47), (5, 3)]:
        add(f"vp9_{height}x{width}.mp4", "libvpx-vp9", (height, width))
    add("h264_50x34.mp4", "libx264", (50, 34))
    add("h264_bt709.mp4", "libx264", (48, 64), colors=(1, 1))
    add("h264_full.mp4", "libx264", (48, 64), pixel_format="yuvj420p", colors=(1, 2))
    add("av1_full.mp4", "libsvtav1", (64, 64), colors=(1, 2))
    add("h264_bt601.mp4", "libx264", (48, 64), colors=(6, 1))
    add("h264_bt2020.mp4", "libx264", (48, 80), colors=(9, 1))
    add("av1_bt709.mp4", "libsvtav1", (64, 64), colors=(1, 1))
    add("av1_bt601.mp4", "libsvtav1", (64, 64), colors=(6, 1))
    add("av1_untagged_full.mp4", "libsvtav1", (64, 64), colors=(2, 2))
    add("h264_rgb.mp4", "libx264rgb", (33, 47), pixel_format="rgb24", options={"qp": "0"})
    versions = {name: ".".join(map(str, version)) for name, version in sorted(av.library_versions.items())}
    record = {"av": av.__version__, "torchcodec": torchcodec_version(), "libraries": versions, "videos": videos}
    (FOLDER / "frames.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
