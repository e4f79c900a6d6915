"""Tests of scripts/drawings.py: the committed drawings are current, and --check notices if they are not."""

import pathlib
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts/drawings.py"
IMAGES = ROOT / "docs/images"
sys.path.insert(0, str(SCRIPT.parent))
import drawings  # noqa: E402


def run(*arguments):
    return subprocess.run([sys.executable, SCRIPT, *map(str, arguments)], capture_output=True, text=True)


class Drawings(unittest.TestCase):
    def test_the_committed_drawings_are_current(self):
        done = run("--check")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_check_names_files_that_differ_and_writes_nothing(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(run("--output", folder).returncode, 0)
            changed = pathlib.Path(folder) / "plugin.svg"
            missing = pathlib.Path(folder) / "folders.svg"
            changed.write_text(changed.read_text() + "\n")
            missing.unlink()
            kept = changed.read_text()
            done = run("--check", "--output", folder)
            self.assertEqual(done.returncode, 1)
            self.assertEqual(done.stderr, f"drawings.py: missing or out of date: {missing}, {changed}; "
                                          "run scripts/drawings.py\n")
            self.assertEqual(changed.read_text(), kept)
            self.assertFalse(missing.exists())

    def test_a_text_that_is_wider_than_its_box_is_an_error(self):
        drawing = drawings.Drawing("title", "description")
        drawing.box(20, 20, 200, ["short"])
        with self.assertRaisesRegex(ValueError, "title: the text does not fit: 'a line that is far too long'"):
            drawing.box(20, 80, 120, ["*a line that is far too long"])
        with self.assertRaisesRegex(ValueError, "does not fit"):
            drawing.text(500, 20, "outside of the page")

    def test_texts_are_escaped(self):
        drawing = drawings.Drawing("<&>", "a < b")
        drawing.text(20, 20, "vector<T> & more")
        root = xml.etree.ElementTree.fromstring(drawing.svg())
        self.assertEqual([e.text for e in root if e.tag.endswith("text")], ["vector<T> & more"])

    def test_every_drawing_is_readable_in_dark_mode_without_any_other_file(self):
        for name in drawings.DRAWINGS:
            text = (IMAGES / f"{name}.svg").read_text()
            root = xml.etree.ElementTree.fromstring(text)
            self.assertEqual(root[0].tag, "{http://www.w3.org/2000/svg}title")
            self.assertIn("@media(prefers-color-scheme:dark)", text)
            self.assertNotIn("href", text)
            self.assertEqual(root.attrib["width"], str(drawings.WIDTH))

    def test_the_architecture_page_shows_every_drawing(self):
        page = (ROOT / "docs/architecture.md").read_text()
        for name in drawings.DRAWINGS:
            self.assertIn(f"](images/{name}.svg)", page)


if __name__ == "__main__":
    unittest.main()
