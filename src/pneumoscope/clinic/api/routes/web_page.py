"""Web page: its files, which `make web` builds from frontend/ into this package."""

import re
from http import HTTPStatus
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from pneumoscope.clinic.api.problems import ProblemError

WEB = Path(__file__).parents[2] / "web"

IMMUTABLE = "public, max-age=31536000, immutable"
"""Caching of files under /assets, whose names contain a hash of their content."""

router = APIRouter(include_in_schema=False)


def is_built() -> bool:
    """Return whether the web page was built; the API works without it."""
    return (WEB / "index.html").is_file()


def style_links() -> str:
    """Return the HTML elements that load the page's style and icon, for pages without a script."""
    index = (WEB / "index.html").read_text() if is_built() else ""
    return "".join(re.findall('<link rel="(?:stylesheet|icon)"[^>]*>', index))


# The page itself decides what to show at each of its addresses; other addresses are errors.
@router.get("/")
@router.get("/setup")
@router.get("/password")
@router.get("/account")
@router.get("/upload")
@router.get("/studies/{study_id}")
@router.get("/monitoring")
@router.get("/administration")
def get_web_page() -> FileResponse:
    """Return the page, which contains no patient data."""
    if not is_built():
        raise ProblemError(
            HTTPStatus.NOT_FOUND,
            "this server was installed without its web page; the API is under /v1 (build the page "
            "with 'make web' before installing)",
        )
    return FileResponse(WEB / "index.html", headers={"Cache-Control": "no-cache"})


class Assets(StaticFiles):
    """Static files of the page, which browsers may cache for a year."""

    def __init__(self) -> None:
        super().__init__(directory=WEB / "assets", check_dir=False)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file with its caching header."""
        response = await super().get_response(path, scope)
        if response.status_code == HTTPStatus.OK:
            response.headers["Cache-Control"] = IMMUTABLE
        return response
