"""Frames of a video with PyAV on one thread, for bench/video_bench.cpp.

For each line on stdin, "sequential" or "random", reads all frames of FILE or the numbered ones as RGB and prints the
seconds it took. A frame in random order is found as LeRobot does: seek to the keyframe before, then decode.

    video_pyav.py FILE FRAME,FRAME,...
"""

import sys
import time

import av

file, picks = sys.argv[1], [int(pick) for pick in sys.argv[2].split(",")]
container = av.open(file)
stream = container.streams.video[0]
stream.codec_context.thread_count = 1
ticks = round(1 / (stream.average_rate * stream.time_base))


def sequential():
    container.seek(0, stream=stream)
    for frame in container.decode(stream):
        frame.to_ndarray(format="rgb24")


def random():
    for pick in picks:
        container.seek(pick * ticks, stream=stream)
        for frame in container.decode(stream):
            if frame.pts >= pick * ticks:
                break
        frame.to_ndarray(format="rgb24")


for word in sys.stdin:
    begin = time.perf_counter()
    if word.strip() == "sequential":
        sequential()
    else:
        random()
    print(time.perf_counter() - begin, flush=True)
