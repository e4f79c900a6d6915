"""Reads a folder of event files with TensorBoard's own reader and prints their contents as JSON."""
import json
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "images": 0})
events.Reload()
scalars = {tag: [[e.step, e.value] for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
images = {tag: [[e.step, e.width, e.height, len(e.encoded_image_string)] for e in events.Images(tag)]
          for tag in events.Tags()["images"]}
print(json.dumps({"scalars": scalars, "images": images}))
