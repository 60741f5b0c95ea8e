"""Which operator becomes what under a recipe, before any work starts.

In: a recipe and a model's structure. Out: one row an operator, with the reason where it stays float. What is legal is
asked of the library's own policy in the child; what the policy does not see (constant weights, whole numbers, the
sizes of blocks) is read off the model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedl_nb.errors import RecipeError
from embedl_nb.model.graph import ModelGraph, Operator, Subgraph, Tensor
from embedl_nb.model.operators import OperatorInfo, describe_operators

if TYPE_CHECKING:
    from embedl_nb.quantizer.engine import Engine
    from embedl_nb.quantizer.recipe import Recipe

__all__ = ["FLOAT", "OperatorPlan", "plan_operators", "require_effect", "scope_names"]

FLOAT = "float"
"""The precision of an operator that stays as it is."""
# The library looks for weights in this place of every operator that has any.
_WEIGHTS_INPUT = 1
_WITH_WEIGHTS = frozenset(
    {"BATCH_MATMUL", "CONV_2D", "DEPTHWISE_CONV_2D", "EMBEDDING_LOOKUP", "FULLY_CONNECTED", "TRANSPOSE_CONV"}
)
_FLOAT_CASTING = "float_casting"
# Rotated weights meet real activations, whatever a rule says of activations.
_ROTATING = frozenset({"HADAMARD_ROTATION", "DECOMPOSED_HADAMARD_ROTATION"})


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorPlan:
    """What a recipe makes of one operator.

    Attributes
    ----------
    index, operator, name, source
        As in :class:`~embedl_nb.model.operators.OperatorInfo`.
    precision
        ``"w8a8"`` with weights, ``"a8"`` without, ``"w8af32"`` where 8-bit weights meet real values; ``"float"`` where
        it stays as it is.
    reason
        Why it stays; "" otherwise.
    """

    index: int
    operator: str
    name: str
    source: str
    precision: str
    reason: str = ""

    @property
    def is_quantized(self) -> bool:
        """Whether it changes."""
        return self.precision != FLOAT


def plan_operators(
    recipe: Recipe, graph: ModelGraph, *, engine: Engine, subgraph_index: int | None = None
) -> tuple[OperatorPlan, ...]:
    """Return what a recipe makes of each operator.

    Parameters
    ----------
    graph
        Of a float model.
    engine
        One that is open.
    subgraph_index
        By default that of the first signature.

    Raises
    ------
    RecipeError
        If the recipe's rules are not legal, or cannot be applied to this model.
    """
    subgraph = graph.main if subgraph_index is None else graph.subgraphs[subgraph_index]
    asked = [{"type": operator.code, "scope": f"{_scope_name(operator, subgraph)};"} for operator in subgraph.operators]
    choices = engine.choices(recipe.full_rules, asked)
    infos = describe_operators(graph, subgraph_index=subgraph.index)
    return tuple(
        _plan(recipe, info, operator, subgraph, choice)
        for info, operator, choice in zip(infos, subgraph.operators, choices, strict=True)
    )


def require_effect(recipe: Recipe, plans: Sequence[OperatorPlan]) -> None:
    """Raise where a recipe would change nothing.

    Raises
    ------
    RecipeError
        It lists why, operator type by operator type.
    """
    if any(plan.is_quantized for plan in plans):
        return
    reasons = Counter((plan.operator, plan.reason) for plan in plans)
    listed = "; ".join(f"{count} {kind}: {reason}" for (kind, reason), count in reasons.most_common())
    raise RecipeError(
        f"{recipe.name} would quantize nothing of this model ({listed or 'it has no operator'})",
        hint="'static_wi8_ai8', which knows the most operators, or keep the float model",
    )


def scope_names(graph: ModelGraph, *, subgraph_index: int | None = None) -> tuple[str, ...]:
    """Return the name by which a rule means exactly one operator, for each: its outputs' names, joined by ``;``."""
    subgraph = graph.main if subgraph_index is None else graph.subgraphs[subgraph_index]
    return tuple(_scope_name(operator, subgraph) for operator in subgraph.operators)


def _scope_name(operator: Operator, subgraph: Subgraph) -> str:
    """Return what the library searches a rule's regex in, but for its last sign: outputs, or inputs where none are."""
    for indices in (operator.outputs, operator.inputs):
        names = [subgraph.tensors[index].name for index in indices if index >= 0]
        if names := [name for name in names if name]:
            return ";".join(names)
    return ""


def _plan(
    recipe: Recipe, info: OperatorInfo, operator: Operator, subgraph: Subgraph, choice: Mapping[str, Any]
) -> OperatorPlan:
    precision, reason = FLOAT, _reason(recipe, info, operator, _scope_name(operator, subgraph), choice)
    config = choice["config"]
    if config is not None and not reason:
        weights = _weights(operator, subgraph)
        precision, reason = _precision(choice["algorithm"], config, operator, subgraph, weights)
        _check_blocks(recipe, info, config, weights)
    return OperatorPlan(
        index=info.index,
        operator=info.operator,
        name=info.name,
        source=info.source,
        precision=precision,
        reason=reason,
    )


def _reason(recipe: Recipe, info: OperatorInfo, operator: Operator, scope: str, choice: Mapping[str, Any]) -> str:
    """Return why an operator stays float as far as its type and the rules tell; "" where they do not."""
    if scope in recipe.kept_float:
        return "kept in float"
    if choice["config"] is None:
        return f"{recipe.name} {'does not know' if choice['is_asked'] else 'leaves out'} {info.operator}"
    if operator.code == "STABLEHLO_COMPOSITE":
        return "the library quantizes only a few composites, by name"
    return ""


def _weights(operator: Operator, subgraph: Subgraph) -> Tensor | None:
    """Return the constant weights."""
    if operator.code not in _WITH_WEIGHTS or len(operator.inputs) <= _WEIGHTS_INPUT:
        return None
    index = operator.inputs[_WEIGHTS_INPUT]
    return subgraph.tensors[index] if index >= 0 and subgraph.tensors[index].is_constant else None


def _precision(
    algorithm: str, config: Mapping[str, Any], operator: Operator, subgraph: Subgraph, weights: Tensor | None
) -> tuple[str, str]:
    """Return precision and reason of an operator that the policy quantizes."""
    activations = config.get("activation_tensor_config")
    bits = (config.get("weight_tensor_config") or {}).get("num_bits")
    if activations is not None and algorithm not in _ROTATING:
        tensors = [subgraph.tensors[index] for index in (*operator.inputs, *operator.outputs) if index >= 0]
        if not any(tensor.dtype == "float32" and not tensor.is_constant for tensor in tensors):
            return FLOAT, "its values are whole numbers or truth values"
        return f"w{bits}a{activations['num_bits']}" if weights else f"a{activations['num_bits']}", ""
    if weights is None:
        return FLOAT, "it has no constant weights"
    if weights.dtype != "float32":
        return FLOAT, f"its weights are {weights.dtype}"
    if (weights.num_elements or 0) < config.get("min_weight_elements", 0):
        return FLOAT, f"it has fewer than {config['min_weight_elements']} weights"
    return ("wf16af32" if algorithm == _FLOAT_CASTING else f"w{bits}af32"), ""


def _check_blocks(recipe: Recipe, info: OperatorInfo, config: Mapping[str, Any], weights: Tensor | None) -> None:
    """Raise where weights cannot be cut into blocks: the library would fail on the whole model."""
    kind, _, size = str((config.get("weight_tensor_config") or {}).get("granularity", "")).partition("_")
    if weights is None or kind != "BLOCKWISE" or weights.shape[-1] % int(size) == 0:
        return
    raise RecipeError(
        f"{recipe.name} cuts weights into blocks of {size}; {info.operator} {info.source or info.name!r} has "
        f"{weights.shape[-1]} a row",
        hint=f"give it another recipe: overrides={{{info.source or info.name!r}: 'dynamic_wi8_afp32'}}",
    )
