"""Print the OpenAPI description of the API: ``python -m pneumoscope.clinic.api.openapi``.

The frontend's types are generated from it. It needs no bundle, no database and no running server.
"""

import json
import sys

from pneumoscope.clinic.api.app import create_routes


def openapi_json() -> str:
    """Return the OpenAPI description of the API as JSON, the same for the same version."""
    return json.dumps(create_routes().openapi(), indent=2, ensure_ascii=False)


if __name__ == "__main__":
    sys.stdout.write(f"{openapi_json()}\n")
