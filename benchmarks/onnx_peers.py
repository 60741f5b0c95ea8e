"""Put the same ONNX cases to other converters: onnx2torch followed by litert-torch, and onnx2tf.

Each lives in an environment of its own, since what they pin does not fit ours; its Python is told here:

    python -m venv onnx2tf;    onnx2tf/bin/pip install onnx2tf==1.29.24 tensorflow
    python -m venv onnx2torch; onnx2torch/bin/pip install onnx2torch==1.5.15 litert-torch
    python benchmarks/onnx_peers.py --onnx2tf onnx2tf/bin/python --onnx2torch onnx2torch/bin/python

A peer's files are run here, in LiteRT, and compared as ours are. onnx2tf may turn the axes of inputs and outputs: a
case passes when they fit either way. onnx2tf wants pictures from the network; it is given random ones.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_CASE_LIMIT_S = 300.0


def onnx2tf_side(folder: Path, target: Path) -> None:
    """Convert a case's model with onnx2tf (runs in its environment)."""
    import onnx
    import onnx2tf

    model = onnx.load(str(folder / "model.onnx"))
    weights = {tensor.name for tensor in model.graph.initializer}
    ranks = {value.name: len(value.type.tensor_type.shape.dim) for value in model.graph.input}
    pictures = [name for name, rank in ranks.items() if name not in weights and 3 <= rank <= 5]
    with tempfile.TemporaryDirectory() as output, as_if_online():
        onnx2tf.convert(
            input_onnx_file_path=str(folder / "model.onnx"),
            output_folder_path=output,
            keep_ncw_or_nchw_or_ncdhw_input_names=pictures or None,
            copy_onnx_input_output_names_to_tflite=True,
            non_verbose=True,
        )
        (Path(output) / "model_float32.tflite").replace(target)


@contextlib.contextmanager
def as_if_online() -> Iterator[None]:
    """Work in a folder that holds what onnx2tf would fetch: twenty pictures, here random ones."""
    import numpy as np

    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        name = "calibration_image_sample_data_20x128x128x3_float32.npy"
        np.save(name, np.random.default_rng(0).random((20, 128, 128, 3), dtype=np.float32))
        yield


def onnx2torch_side(folder: Path, target: Path) -> None:
    """Convert a case's model with onnx2torch and litert-torch (runs in their environment)."""
    import litert_torch
    import numpy as np
    import onnx
    import onnx2torch
    import torch

    model = onnx2torch.convert(onnx.load(str(folder / "model.onnx"))).eval()
    with np.load(folder / "inputs.npz") as arrays:
        inputs = tuple(torch.from_numpy(arrays[name]) for name in arrays.files)
    litert_torch.convert(model, inputs).export(str(target))


SIDES = {"onnx2tf": onnx2tf_side, "onnx2torch": onnx2torch_side}


def serve(side: str) -> None:
    """Convert the folders named on standard input; answer each with a line (runs in the peer's environment)."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        folder = Path(line.strip())
        said = ""
        try:
            SIDES[side](folder, folder / f"{side}.tflite")
        except BaseException as err:  # onnx2tf leaves through sys.exit
            said = f"{type(err).__name__}: {str(err).strip().splitlines()[0] if str(err).strip() else ''}"
        print(json.dumps({"failure": said}), file=answers, flush=True)


class Peer:
    """A peer's process, started anew when a case has ended it."""

    def __init__(self, side: str, python: Path) -> None:
        self._side, self._python = side, python
        self._process: subprocess.Popen[str] | None = None

    def convert(self, folder: Path) -> str:
        """Have a case's model converted; say why it failed."""
        if self._process is None or self._process.poll() is not None:
            environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
            command = [str(self._python), __file__, "--side", self._side]
            self._process = subprocess.Popen(
                command,
                env=environment,
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=tempfile.gettempdir(),
            )
        process = self._process
        process.stdin.write(f"{folder}\n")
        process.stdin.flush()
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            line = process.stdout.readline() if selector.select(_CASE_LIMIT_S) else "{}"
        if not line.endswith("\n"):
            process.kill()
            returncode = process.wait()
            return f"did not finish in {_CASE_LIMIT_S:g} s" if line else f"the process ended with {returncode}"
        return str(json.loads(line)["failure"])


def verdict(folder: Path, side: str) -> str:
    """Run what a peer has made of a case; say why it is not what the standard expects."""
    from embedl_nb.model import LiteRTModel
    from embedl_nb.runtime.arrays import join_samples
    from embedl_nb.runtime.running import run_samples
    from embedl_nb.testing.onnx.storing import load_case

    case = load_case(folder)
    try:
        signature = LiteRTModel.open(folder / f"{side}.tflite").signatures[0]
        given = {}
        for position, spec in enumerate(signature.inputs):
            array = case.inputs.get(spec.name, list(case.inputs.values())[position])
            given[spec.name] = _turned(array, spec.shape).astype(spec.dtype)
        outputs = run_samples(folder / f"{side}.tflite", join_samples([given]), signature_key=signature.key or None)
    except Exception as err:
        return f"{type(err).__name__}: {str(err).splitlines()[0]}"
    found = {name.partition("/")[2]: array for name, array in outputs.items()}
    if not case.expected.keys() <= found.keys():
        found = dict(zip(case.expected, found.values(), strict=False))
    return _compared(case.expected, found)


def _turned(array: Any, shape: tuple[int, ...]) -> Any:
    """Return the array with its channels last where that is the shape asked for."""
    import numpy as np

    if array.shape != tuple(shape) and array.ndim > 2 and np.moveaxis(array, 1, -1).shape == tuple(shape):
        return np.moveaxis(array, 1, -1)
    return array


def _compared(expected: dict[str, Any], found: dict[str, Any]) -> str:
    import numpy as np

    from embedl_nb.testing.onnx.comparing import difference

    said = []
    for name, want in expected.items():
        got = found.get(name)
        if got is None:
            return f"there is no output {name!r}"
        ways = [got] + ([np.moveaxis(got, -1, 1)] if got.ndim > 2 else [])
        said.append(min((difference({name: want}, {name: way}) for way in ways), key=len))
    return next(filter(None, said), "")


def outcomes(side: str, python: Path, folders: list[Path], kept: Path) -> Iterator[dict[str, str]]:
    """Yield what became of each case; what is in ``kept`` is not run again."""
    known = [json.loads(line) for line in kept.read_text(encoding="utf-8").splitlines()] if kept.exists() else []
    done = {outcome["case"]: outcome for outcome in known}
    peer = Peer(side, python)
    with kept.open("a", encoding="utf-8") as file:
        for folder in folders:
            case = f"{folder.parent.name}/{folder.name}"
            if case not in done:
                failure = peer.convert(folder) or verdict(folder, side)
                done[case] = {"case": case, "failure": failure}
                file.write(json.dumps(done[case]) + "\n")
                file.flush()
            yield done[case]


def main() -> None:
    """Put the cases to the peers named, and print what became of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for side in SIDES:
        parser.add_argument(f"--{side}", type=Path, help="the Python of its environment")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "embedl_nb-onnx-conformance")
    parser.add_argument("--side", choices=list(SIDES), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        serve(arguments.side)
        return
    from embedl_nb.testing.onnx.cases import NETWORK_KINDS, load_cases
    from embedl_nb.testing.onnx.storing import store_case

    arguments.work.mkdir(parents=True, exist_ok=True)
    folders = [store_case(case, arguments.work / "cases") for case in load_cases(NETWORK_KINDS)]
    for side in SIDES:
        python = getattr(arguments, side)
        if python is None:
            continue
        passed = 0
        for outcome in outcomes(side, python.absolute(), folders, arguments.work / f"{side}.jsonl"):
            passed += not outcome["failure"]
            print(
                f"{side}: {'FAIL' if outcome['failure'] else 'pass'} {outcome['case']} {outcome['failure']}", flush=True
            )
        print(f"{side}: {passed} of {len(folders)}", flush=True)


if __name__ == "__main__":
    main()
