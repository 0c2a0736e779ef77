"""The clinic's figures for whoever keeps it running."""

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST

from pneumoscope.clinic.accounts import Actor, Role
from pneumoscope.clinic.api.security import TheClinic, may
from pneumoscope.clinic.api.views import answers_with
from pneumoscope.clinic.monitoring import metrics

router = APIRouter(tags=["monitoring"])

Keeper = Annotated[Actor, Depends(may(Role.ADMINISTRATOR, Role.SERVICE))]


@router.get("/metrics", response_class=Response, responses=answers_with(CONTENT_TYPE_LATEST))
def show(clinic: TheClinic, _: Keeper) -> Response:
    """Return the figures of now for Prometheus."""
    return Response(metrics(clinic.database), media_type=CONTENT_TYPE_LATEST)
