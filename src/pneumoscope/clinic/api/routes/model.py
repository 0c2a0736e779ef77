"""What reads here, in words and figures: what a person must know to weigh a reading."""

from fastapi import APIRouter
from pydantic import BaseModel

from pneumoscope.clinic.api.security import Anyone, TheClinic
from pneumoscope.reader.bundle import Figure

router = APIRouter(prefix="/v1", tags=["model"])


class OperatingPointView(BaseModel):
    """Where a probability becomes a finding; figures with 95 % intervals, on which images."""

    name: str
    rule: str
    threshold: float
    low: float
    high: float
    figures: dict[str, Figure]
    measured_on: str


class ModelView(BaseModel):
    """The bundle that this server reads with; readings of another one name it."""

    bundle: str
    name: str
    notice: str | None
    intended_use: str
    limitations: tuple[str, ...]
    population: str
    operating_point: OperatingPointView


@router.get("/model")
def model(clinic: TheClinic, _: Anyone) -> ModelView:
    """Return what reads here, and what it must not be trusted with."""
    record, name = clinic.bundle.record, clinic.settings.operating_point
    point = record.operating_points[name]
    shown = OperatingPointView(
        name=name,
        figures=point.tested or point.measured,
        measured_on="test" if point.tested else "validation",
        **point.model_dump(include={"rule", "threshold", "low", "high"}),
    )
    return ModelView(
        bundle=clinic.bundle.identity,
        population=record.training_data.population,
        operating_point=shown,
        **record.model_dump(include={"name", "notice", "intended_use", "limitations"}),
    )
