"""Runs scripts/rollout_animation.py on a run folder with a video, and checks the frames of the animation.

    rollout_animation_test.py WRITE_REPORT
"""
import pathlib
import subprocess
import sys
import tempfile
import unittest

from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "browser"))
import chromium  # noqa: E402

SKIPPED = 77  # CTest's SKIP_RETURN_CODE
WRITE_REPORT = ""


def run_script(*arguments):
    return subprocess.run([sys.executable, str(ROOT / "scripts" / "rollout_animation.py"), *map(str, arguments)],
                          capture_output=True, text=True)


def disc_column(image):
    """The column of the center of the disc, which is the reddest part of the left half's gradient."""
    rows = image.crop((0, image.height // 2 - 4, image.width, image.height // 2 + 4)).resize((image.width, 1))
    reds = [rows.getpixel((x, 0))[0] - 255 * x / image.width for x in range(image.width)]
    bright = [x for x, red in enumerate(reds) if red > 0.5 * max(reds)]
    return sum(bright) / len(bright)


class RolloutAnimation(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="roboimi_animation_test_")
        root = pathlib.Path(cls.folder.name)
        subprocess.run([WRITE_REPORT, str(root)], check=True)
        cls.run_folder = next(root.glob("work/here/jobs/n_emb_384_seed0/runs/*"))
        cls.output = root / "rollout.webp"

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_shows_the_video_from_start_to_end(self):
        # Twenty frames at 20 Hz, in which a disc moves by 8 of 320 pixels per frame.
        result = run_script(self.run_folder, self.output, "--width", 160, "--fps", 10)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertLess(self.output.stat().st_size, 2_000_000)
        with Image.open(self.output) as animation:
            self.assertEqual(animation.size, (160, 120))
            self.assertEqual(animation.n_frames, 10)
            columns = []
            for i in range(animation.n_frames):
                animation.seek(i)
                columns.append(disc_column(animation.convert("RGB")))
        self.assertAlmostEqual(columns[0], (20 + 8 * 1) / 2, delta=4)
        for before, after in zip(columns[:5], columns[1:6], strict=True):
            self.assertAlmostEqual(after - before, 8, delta=3)

    def test_names_what_is_missing(self):
        result = run_script(self.run_folder, self.output, "--episode", 7)
        self.assertEqual(result.returncode, 1)
        self.assertIn("no video of episode 7", result.stderr)
        self.assertIn("--video 10", result.stderr)


if __name__ == "__main__":
    WRITE_REPORT = sys.argv.pop()
    try:
        chromium.find_program()
    except chromium.Unavailable as reason:
        print("SKIPPED:", reason)
        sys.exit(SKIPPED)
    unittest.main()
