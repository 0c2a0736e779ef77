"""Bundles that the server reads with: limits in words, and performance at the operating point."""

from fastapi import APIRouter
from pydantic import BaseModel

from pneumoscope.clinic.api.security import ClinicDep, CurrentActor
from pneumoscope.clinic.settings import Settings
from pneumoscope.reader import Bundle
from pneumoscope.report.estimate import Estimate
from pneumoscope.report.post_test_probability import pre_test_probability

router = APIRouter(prefix="/v1", tags=["model"])


class OperatingPoint(BaseModel):
    """Operating point, with 95 % intervals of its metrics and the split they were measured on.

    The metrics are those of the findings that this server shows; empty where the bundle states none
    for a server that abstains. ``prevalence`` is the share of these images with pneumonia, to which
    PPV and NPV belong.
    """

    name: str
    rule: str
    threshold: float
    low: float
    high: float
    metrics: dict[str, Estimate]
    measured_on: str
    prevalence: float | None


class Model(BaseModel):
    """Bundle that the server reads with; a reading names the bundle that made it.

    ``applies_to`` names the patients that it may answer for, ``population`` those of the training
    data.
    """

    bundle: str
    name: str
    notice: str | None
    intended_use: str
    limitations: tuple[str, ...]
    applies_to: str
    population: str
    operating_point: OperatingPoint


@router.get("/models")
def list_models(clinic: ClinicDep, _: CurrentActor) -> list[Model]:
    """List the bundles that the server reads with: intended use, limits and performance.

    Where there are several, the patient's age decides.
    """
    return [_model_response(bundle, clinic.settings) for bundle in clinic.bundles]


def _model_response(bundle: Bundle, settings: Settings) -> Model:
    record, name = bundle.record, settings.operating_point
    point = record.operating_points[name]
    metrics = dict(point.stated(abstain=settings.abstain))
    operating_point = OperatingPoint(
        name=name,
        rule=point.rule,
        threshold=point.threshold,
        low=point.low,
        high=point.high,
        metrics=metrics,
        measured_on="test" if point.tested else "validation",
        prevalence=pre_test_probability(metrics.get("ppv"), metrics.get("lr_positive")),
    )
    return Model(
        bundle=bundle.identity,
        applies_to=record.population.describe_ages(),
        population=record.training_data.population,
        operating_point=operating_point,
        **record.model_dump(include={"name", "notice", "intended_use", "limitations"}),
    )
