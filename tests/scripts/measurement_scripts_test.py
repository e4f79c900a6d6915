"""Tests of the arithmetic in the measurement scripts, and of the configs that they use."""

import pathlib
import subprocess
import sys
import unittest

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import localization  # noqa: E402
import path_error  # noqa: E402
import results  # noqa: E402

ROBOIMI = sys.argv.pop(1)


class Results(unittest.TestCase):
    def test_wilson_intervals_are_the_published_ones(self):
        # Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
        for successes, trials, low, high in [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605),
                                             (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)]:
            found = results.wilson(successes, trials)
            self.assertAlmostEqual(found[0], low, 4)
            self.assertAlmostEqual(found[1], high, 4)

    def test_mcnemar_counts_only_episodes_that_differ(self):
        # Ten episodes differ, nine of them in favor of the first: p = 2 (1 + 10) / 2^10.
        first = [True] * 9 + [False] + [True] * 50 + [False] * 40
        second = [False] * 9 + [True] + [True] * 50 + [False] * 40
        self.assertAlmostEqual(results.mcnemar(first, second), 22 / 1024)
        self.assertAlmostEqual(results.mcnemar(second, first), 22 / 1024)
        self.assertEqual(results.mcnemar(first, first), 1.0)
        self.assertRaises(ValueError, results.mcnemar, first, second[:-1])

    def test_the_config_of_every_row_can_be_composed(self):
        overrides = {tuple(str(word) for word in row[1]) for row in results.ROWS.values() if row[1]}
        self.assertGreater(len(overrides), 10)
        for words in overrides:
            shown = subprocess.run([ROBOIMI, "config", "show", "lewm_imf_attnres.yaml",
                                    *map(str, results.TRAINING), *words],
                                   cwd=ROOT, capture_output=True, text=True, check=False)
            self.assertEqual(shown.returncode, 0, f"{words}: {shown.stderr}")


class Localization(unittest.TestCase):
    def test_predicts_a_linear_function_of_the_features(self):
        draw = np.random.default_rng(0)
        place = draw.normal(size=(40, 2))
        features = np.stack([place @ draw.normal(size=(2, 5)) for _ in range(2)], 1)
        known, new = slice(0, 30), slice(30, 40)
        found = localization.predict(features[known], place[known], features[new], 10.0, 1e-6)
        self.assertLess(np.abs(found - place[new]).max(), 0.1)
        self.assertLess(localization.left_out_error(features[known], place[known], 10.0, 1e-6), 0.01)


class PathError(unittest.TestCase):
    def test_measures_millimeters_to_the_nearest_point(self):
        path = np.array([[0.0, 0, 0], [0.1, 0, 0], [0.2, 0, 0]])
        places = np.array([[0.1, 0.003, 0.004], [0.25, 0, 0]])
        np.testing.assert_allclose(path_error.millimeters_off(path, places), [5.0, 50.0])


if __name__ == "__main__":
    unittest.main()
