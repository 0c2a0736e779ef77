"""``pneumoscope serve``: the clinic's server."""

from pathlib import Path
from typing import Annotated

import typer

from pneumoscope.cli import options

_SINGLE_SIGN_ON = "Single sign-on of the hospital (OpenID Connect)"


def serve(
    data: options.ClinicDataOption,
    database: options.DatabaseOption = None,
    host: Annotated[str, typer.Option(help="Host name or IP address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, help="TCP port; 0 picks a free one."),
    ] = 8000,
    bundle: options.AutomaticBundleOption = "auto",
    at: options.OperatingPointOption = "screening",
    abstain: options.AbstainOption = False,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of worker processes that read images.",
            show_default="one per processor core",
        ),
    ] = None,
    second_factor: Annotated[
        bool,
        typer.Option(
            "--second-factor",
            help="Require a second factor of administrators who sign in with a password.",
        ),
    ] = False,
    issuer: Annotated[
        str | None,
        typer.Option(
            "--oidc-issuer",
            metavar="URL",
            help="Issuer URL of the identity provider.",
            rich_help_panel=_SINGLE_SIGN_ON,
        ),
    ] = None,
    client: Annotated[
        str | None,
        typer.Option(
            "--oidc-client",
            metavar="ID",
            help="Client ID registered with the identity provider.",
            rich_help_panel=_SINGLE_SIGN_ON,
        ),
    ] = None,
    secret: Annotated[
        Path | None,
        typer.Option(
            "--oidc-secret-file",
            metavar="FILE",
            help="File that holds the client secret.",
            show_default="the environment variable PNEUMOSCOPE_OIDC_SECRET",
            rich_help_panel=_SINGLE_SIGN_ON,
        ),
    ] = None,
    claim: Annotated[
        str,
        typer.Option(
            "--oidc-claim",
            metavar="NAME",
            help="Claim of the ID token that determines a user's role.",
            rich_help_panel=_SINGLE_SIGN_ON,
        ),
    ] = "groups",
    roles: Annotated[
        list[str] | None,
        typer.Option(
            "--oidc-role",
            metavar="VALUE=ROLE",
            help="Value of the claim that gives a role (clinician, reviewer or administrator); "
            "repeatable, the first match wins.",
            rich_help_panel=_SINGLE_SIGN_ON,
        ),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Public URL of this server, as browsers reach it.",
            rich_help_panel=_SINGLE_SIGN_ON,
        ),
    ] = None,
) -> None:
    r"""Run the clinic server: web page and API, with accounts, a worklist and an audit trail.

    The first start prints a setup token, with which the first administrator is created. Browsers
    and programs on other hosts need an HTTPS proxy in front of this server.

    Examples:

        pneumoscope serve --data clinic
        pneumoscope serve --data clinic --database postgresql+psycopg://clinic@db/clinic --workers 4
        pneumoscope serve --data clinic --address https://clinic.hospital.example \
            --oidc-issuer https://login.hospital.example --oidc-client pneumoscope \
            --oidc-secret-file /run/secrets/oidc --oidc-role radiologists=reviewer
    """
    from pneumoscope.clinic.identity.oidc_settings import OidcSettings
    from pneumoscope.clinic.serve import serve as serve_clinic
    from pneumoscope.clinic.settings import Settings
    from pneumoscope.support.host import usable_cores

    oidc = OidcSettings.from_options(issuer, client, secret, address, claim, roles or [])
    settings = Settings(
        data,
        database,
        bundle,
        at,
        abstain,
        oidc=oidc,
        require_second_factor=second_factor,
    )
    serve_clinic(settings, host, port, workers or usable_cores())
