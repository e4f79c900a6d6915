"""Replays recorded controls in MuJoCo's Python package and prints the number of steps and the largest difference in qpos.

usage: mujoco_replay.py SCENE.xml RECORD.txt

RECORD.txt has a line "nq nu sub_steps", a line with the initial qpos, a line with the initial ctrl, then one line
per control step: ctrl (nu values) and the resulting qpos (nq values).
"""
import sys

import mujoco
import numpy as np


def main() -> None:
    model = mujoco.MjModel.from_xml_path(sys.argv[1])
    data = mujoco.MjData(model)
    with open(sys.argv[2], encoding="ascii") as record:
        nq, nu, sub_steps = (int(number) for number in record.readline().split())
        assert (nq, nu) == (model.nq, model.nu)
        data.qpos[:] = np.fromstring(record.readline(), sep=" ")
        data.ctrl[:] = np.fromstring(record.readline(), sep=" ")
        mujoco.mj_forward(model, data)
        largest, steps = 0.0, 0
        for line in record:
            numbers = np.fromstring(line, sep=" ")
            data.ctrl[:] = numbers[:nu]
            mujoco.mj_step(model, data, sub_steps)
            largest = max(largest, float(np.abs(data.qpos - numbers[nu:]).max()))
            steps += 1
    print(f"{steps} {largest:.17g}")


if __name__ == "__main__":
    main()
