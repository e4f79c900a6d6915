#!/usr/bin/env python3
"""Makes an animated WebP from the video of a rollout, for the README.

    scripts/rollout_animation.py runs/20260102_030405_demo docs/images/rollout.webp

The source is a video, or a run or evaluation folder. In a folder, the newest evaluation or rollouts are used, and in these
the first successful episode that has a video. Needs Pillow (scripts/requirements-test.txt) and Chromium, which
decodes the video: `scripts/setup.sh --tests` installs both.
"""
import argparse
import base64
import io
import json
import pathlib
import sys
import tempfile

from PIL import Image

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "browser"))
import chromium  # noqa: E402

# JavaScript that loads the video and returns its duration in seconds and its size.
LOAD = """
new Promise((done, failed) => {
  const video = document.querySelector('video');
  video.onloadeddata = () => done([video.duration, video.videoWidth, video.videoHeight]);
  video.onerror = () => failed(new Error(video.error.message));
  video.preload = 'auto';
  video.load();
})
"""

# JavaScript that returns the frame at a time in seconds as a PNG in a data URI. The event `seeked` may come before the
# frame is shown. If the new time shows the same frame, no frame is announced.
FRAME = """
new Promise((done) => {
  const video = document.querySelector('video');
  const draw = () => {
    const canvas = document.createElement('canvas');
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext('2d').drawImage(video, 0, 0);
    done(canvas.toDataURL('image/png'));
  };
  video.requestVideoFrameCallback(draw);
  video.onseeked = () => setTimeout(draw, 1000);
  video.currentTime = %f;
})
"""


def find_video(source, episode):
    """The video of a source: the file itself, or a successful episode in the newest summary below the folder."""
    if source.is_file():
        return source
    summaries = list(source.glob("summary.json"))
    summaries += sorted(source.glob("rollouts/*/summary.json"), key=lambda file: file.stat().st_mtime)
    summaries += sorted(source.glob("evaluations/*/summary.json"), key=lambda file: file.stat().st_mtime)
    for summary in reversed(summaries):
        episodes = json.loads(summary.read_text())["episodes"]
        wanted = [i for i, e in enumerate(episodes) if e["success"]] if episode is None else [episode]
        for index in wanted:
            video = summary.parent / f"episode_{index:03}.mp4"
            if video.exists():
                return video
    what = "of a successful episode" if episode is None else f"of episode {episode}"
    raise SystemExit(f"{source}: no video {what}; record some with: roboimi eval --checkpoint {source} --video 10")


def read_frames(video, fps, width):
    """The frames of the video at `fps` frames per second, as images of the given width."""
    with tempfile.TemporaryDirectory(prefix="roboimi_animation_") as folder:
        # A canvas may only read a video from the same page.
        data = base64.b64encode(video.read_bytes()).decode()
        page_file = pathlib.Path(folder) / "video.html"
        page_file.write_text(f"<video muted src='data:video/mp4;base64,{data}'></video>")
        with chromium.Chromium() as browser:
            page = browser.open(page_file.as_uri(), width=800, height=600, dark=False)
            duration, full_width, full_height = page.evaluate(LOAD)
            height = round(full_height * width / full_width)
            frames = []
            for i in range(max(1, int(duration * fps))):
                uri = page.evaluate(FRAME % ((i + 0.5) / fps))
                image = Image.open(io.BytesIO(base64.b64decode(uri.split(",", 1)[1]))).convert("RGB")
                frames.append(image.resize((width, height), Image.Resampling.LANCZOS))
    return frames


def merge_equal(frames, fps):
    """Merges equal consecutive frames. Returns the frames and their durations in milliseconds."""
    kept, durations = [], []
    for frame in frames:
        if kept and kept[-1].tobytes() == frame.tobytes():
            durations[-1] += round(1000 / fps)
        else:
            kept.append(frame)
            durations.append(round(1000 / fps))
    return kept, durations


def encode(frames, durations, quality):
    buffer = io.BytesIO()
    frames[0].save(buffer, "WEBP", save_all=True, append_images=frames[1:], duration=durations, loop=0,
                   quality=quality, method=6, minimize_size=True)
    return buffer.getvalue()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=pathlib.Path, help="video, run folder or evaluation folder")
    parser.add_argument("output", type=pathlib.Path, help="WebP file to write")
    parser.add_argument("--episode", type=int, help="episode of a folder; default: the first successful one")
    parser.add_argument("--fps", type=float, default=10.0, help="frames per second (default: 10)")
    parser.add_argument("--width", type=int, default=640, help="width in pixels (default: 640)")
    parser.add_argument("--max-bytes", type=int, default=2_000_000, help="largest size of the file (default: 2000000)")
    arguments = parser.parse_args()

    video = find_video(arguments.source, arguments.episode)
    frames, durations = merge_equal(read_frames(video, arguments.fps, arguments.width), arguments.fps)
    for quality in (80, 70, 60, 50, 40, 30):
        data = encode(frames, durations, quality)
        if len(data) < arguments.max_bytes:
            arguments.output.write_bytes(data)
            print(f"{arguments.output}: {len(frames)} frames of {video}, quality {quality}, {len(data)} bytes")
            return
    raise SystemExit(f"{video}: larger than {arguments.max_bytes} bytes at every quality; lower --width or --fps")


if __name__ == "__main__":
    try:
        main()
    except chromium.Unavailable as reason:
        raise SystemExit(f"Chromium is needed to decode the video: {reason}") from reason
