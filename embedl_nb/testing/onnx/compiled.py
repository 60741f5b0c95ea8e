"""Compile one of ONNX's cases as a user does, run it in LiteRT, and compare with what the standard expects."""

from __future__ import annotations

from embedl_nb.compiler import compile_model
from embedl_nb.compiler.verify import run_model, typed_samples
from embedl_nb.runtime.arrays import by_sample, join_samples
from embedl_nb.testing.onnx.cases import Case
from embedl_nb.testing.onnx.comparing import difference, said_by

__all__ = ["failure"]


def failure(case: Case, *, timeout_s: float = 900.0) -> str:
    """Say why the case does not give the expected outputs in LiteRT; empty where it does.

    The case's inputs that decide shapes are constants already (see freezing.py).
    """
    try:
        model = compile_model(case.model, dict(case.inputs), name=case.name, timeout_s=timeout_s)
        signature = model.signatures[0]
        given = {spec.name: array for spec, array in zip(signature.inputs, case.inputs.values(), strict=True)}
        typed = typed_samples(signature, join_samples([given]), {})
        outputs = run_model(model.path, typed.inputs, signature=signature, timeout_s=timeout_s)
    except Exception as err:
        return said_by(err)
    found = by_sample(outputs)[0]
    return difference(case.expected, {spec.name: found[spec.name] for spec in signature.outputs})
