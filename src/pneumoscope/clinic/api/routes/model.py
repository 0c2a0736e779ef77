"""Bundle that the server reads with: limits in words, and performance at the operating point."""

from fastapi import APIRouter
from pydantic import BaseModel

from pneumoscope.clinic.api.security import ClinicDep, CurrentActor
from pneumoscope.report.estimate import Estimate

router = APIRouter(prefix="/v1", tags=["model"])


class OperatingPoint(BaseModel):
    """Operating point, with 95 % intervals of its metrics and the split they were measured on."""

    name: str
    rule: str
    threshold: float
    low: float
    high: float
    metrics: dict[str, Estimate]
    measured_on: str


class Model(BaseModel):
    """Bundle that the server reads with; a reading names the bundle that made it."""

    bundle: str
    name: str
    notice: str | None
    intended_use: str
    limitations: tuple[str, ...]
    population: str
    operating_point: OperatingPoint


@router.get("/model")
def get_model(clinic: ClinicDep, _: CurrentActor) -> Model:
    """Return the bundle that the server reads with: intended use, limits and performance."""
    record, name = clinic.bundle.record, clinic.settings.operating_point
    point = record.operating_points[name]
    operating_point = OperatingPoint(
        name=name,
        rule=point.rule,
        threshold=point.threshold,
        low=point.low,
        high=point.high,
        metrics=dict(point.tested or point.measured),
        measured_on="test" if point.tested else "validation",
    )
    return Model(
        bundle=clinic.bundle.identity,
        population=record.training_data.population,
        operating_point=operating_point,
        **record.model_dump(include={"name", "notice", "intended_use", "limitations"}),
    )
