"""Label selectors of documents, in the form that Kubernetes gives them."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from schemas.base import MOST_LABELS, SEQUENCE, LabelKey, Labels, LabelValue, Model


class LabelRequirement(Model):
    """One requirement of one label."""

    key: LabelKey = Field(description="The key of the label.", examples=["site"])
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = Field(
        description=(
            "`In` and `NotIn` compare the value of the label with `values`; `NotIn` also holds where the "
            "label is missing. `Exists` and `DoesNotExist` have no `values`."
        ),
        examples=["NotIn"],
    )
    values: Annotated[tuple[LabelValue, ...], SEQUENCE] = Field(
        default=(),
        max_length=MOST_LABELS,
        description="The values for `In` and `NotIn`.",
        examples=[["berlin", "rome"]],
    )

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if bool(self.values) is not (self.operator in {"In", "NotIn"}):
            problem = "has no" if self.values else "needs"
            raise PydanticCustomError(
                "exactly_one",
                "{problem}",
                {
                    "problem": f"the operator {self.operator} {problem} `values`",
                    "expected": "`values` with In and NotIn, none with Exists and DoesNotExist",
                },
            )
        return self


class LabelSelectorSpec(Model):
    """What has all of these labels. A tunnel has the labels of its document, and those of its router with
    other keys."""

    match_labels: Labels = Field(
        default_factory=dict, description="Labels with their values.", examples=[{"site": "berlin"}]
    )
    match_expressions: Annotated[tuple[LabelRequirement, ...], SEQUENCE] = Field(
        default=(),
        max_length=MOST_LABELS,
        description="Further requirements, which must all be met.",
        examples=[[{"key": "site", "operator": "NotIn", "values": ["berlin"]}]],
    )

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not self.match_labels and not self.match_expressions:
            raise PydanticCustomError(
                "exactly_one",
                "{problem}",
                {
                    "problem": "the selector has no requirement",
                    "expected": "matchLabels, matchExpressions, or both",
                    "hint": "leave `selector` out to select everything",
                },
            )
        return self
