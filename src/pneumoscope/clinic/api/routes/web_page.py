"""The web page: its files, as `make web` builds them from frontend/ into this package."""

import re
from http import HTTPStatus
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from pneumoscope.clinic.api.problems import ProblemError

WEB = Path(__file__).parents[2] / "web"

FOR_EVER = "public, max-age=31536000, immutable"
"""The name of each file under /assets has a hash of what it holds."""

router = APIRouter(include_in_schema=False)


def is_built() -> bool:
    """Whether the page is there; the API is, in any case."""
    return (WEB / "index.html").is_file()


def links() -> str:
    """Return the elements that load the page's style and icon, for pages without a script."""
    index = (WEB / "index.html").read_text() if is_built() else ""
    return "".join(re.findall('<link rel="(?:stylesheet|icon)"[^>]*>', index))


# What the page shows at an address it decides itself; an address elsewhere is an error of ours.
@router.get("/")
@router.get("/setup")
@router.get("/password")
@router.get("/account")
@router.get("/upload")
@router.get("/studies/{study_id}")
@router.get("/monitoring")
@router.get("/administration")
def page() -> FileResponse:
    """Return the page, which holds nothing of any patient."""
    if not is_built():
        raise ProblemError(
            HTTPStatus.NOT_FOUND,
            "this server was installed without its web page; the API is under /v1 (build the page "
            "with 'make web' before installing)",
        )
    return FileResponse(WEB / "index.html", headers={"Cache-Control": "no-cache"})


class Assets(StaticFiles):
    """The files that the page loads."""

    def __init__(self) -> None:
        super().__init__(directory=WEB / "assets", check_dir=False)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file, to be kept by the browser."""
        response = await super().get_response(path, scope)
        if response.status_code == HTTPStatus.OK:
            response.headers["Cache-Control"] = FOR_EVER
        return response
