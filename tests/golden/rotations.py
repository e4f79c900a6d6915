"""Golden rotations for tests/plugins/vla_agent, by SciPy's Rotation.

    python -m venv /tmp/golden && /tmp/golden/bin/pip install scipy==1.16.3 numpy==2.4.6 safetensors==0.8.0
    /tmp/golden/bin/python tests/golden/rotations.py

writes rotations.safetensors beside itself. scipy is needed here alone. Everything is float64; angles are in radians.
"""

import pathlib

import numpy as np
from safetensors.numpy import save_file
from scipy.spatial.transform import Rotation

RANDOM = np.random.default_rng(0)


def numbers(rotation, prefix):
    """Each representation of rotations, by the name of its kind."""
    matrix, xyzw = rotation.as_matrix(), rotation.as_quat(canonical=True)
    return {
        f"{prefix}.matrix": matrix,
        f"{prefix}.6d": np.concatenate([matrix[:, :, 0], matrix[:, :, 1]], 1),
        f"{prefix}.quaternion_xyzw": xyzw,
        f"{prefix}.quaternion_wxyz": np.roll(xyzw, 1, 1),
        f"{prefix}.rotation_vector": rotation.as_rotvec(),
        f"{prefix}.roll_pitch_yaw": rotation.as_euler("xyz"),
    }


def special_rotations():
    """No rotation, a small one, half turns, and pitches of +-90 degrees."""
    half_turns = np.pi * np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.6, 0.8, 0], [0, -0.6, 0.8]])
    vectors = [[0, 0, 0], [1e-9, 0, -2e-9], [1e-4, 2e-4, 0], *half_turns]
    pitches = [[0.3, np.pi / 2, 0.2], [0.3, -np.pi / 2, 0.2], [-2.0, np.pi / 2, 1.5]]
    return Rotation.concatenate([Rotation.from_rotvec(vectors), Rotation.from_euler("xyz", pitches)])


def main():
    states, actions = Rotation.random(20, rng=RANDOM), Rotation.random(20, rng=RANDOM)
    tensors = numbers(states, "states") | numbers(actions, "actions")
    tensors |= numbers(states.inv() * actions, "relative") | numbers(special_rotations(), "special")
    # Rotations around one that points down, whose quaternions are stored with both signs.
    down = Rotation.from_euler("xyz", [np.pi, 0, 0.4]) * Rotation.from_rotvec(RANDOM.normal(0, 0.3, (200, 3)))
    signs = RANDOM.choice([-1.0, 1.0], (200, 1))
    tensors |= {"down.quaternion_xyzw": down.as_quat() * signs, "down.mean_xyzw": down.mean().as_quat()}
    folder = pathlib.Path(__file__).parent
    save_file({name: np.ascontiguousarray(array) for name, array in tensors.items()}, folder / "rotations.safetensors")


if __name__ == "__main__":
    main()
