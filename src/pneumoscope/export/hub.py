"""Bundles on the Hugging Face hub: pushed with their model card, and checked when pulled."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import huggingface_hub
from huggingface_hub import CommitOperationAdd, HfApi, ModelCardData, errors

from pneumoscope.reader.bundle import CHECKSUM, RECORD, Bundle, BundleRecord
from pneumoscope.reader.model_card import model_card
from pneumoscope.support.errors import BundleError
from pneumoscope.support.files import atomic_folder, require_empty, write_bytes

README = "README.md"

_CLIENT_ERRORS = (
    OSError,
    ValueError,
    errors.HTTPError,  # type: ignore[attr-defined]  # of the HTTP library that the client uses
)

_TOKEN_HELP = "run 'hf auth login', or set HF_TOKEN in the environment"


def hub_card(record: BundleRecord) -> str:
    """Return the model card of a bundle with the metadata that the hub reads.

    Examples
    --------
    >>> from pneumoscope.reader import find_bundle
    >>> card = hub_card(Bundle.open(find_bundle("default")).record)
    >>> card.splitlines()[:2]
    ['---', 'library_name: pneumoscope']
    """
    tags = ["chest-x-ray", "pneumonia", "medical", "onnx"]
    is_apache = record.licence == "Apache-2.0"
    metadata = ModelCardData(
        license="apache-2.0" if is_apache else "other",
        license_name=None if is_apache else "apache-2.0-and-pretrained-weights",
        license_link=None if is_apache else README,
        library_name="pneumoscope",
        pipeline_tag="image-classification",
        tags=[*tags, *(["synthetic"] if record.training_data.synthetic else [])],
    )
    return f"---\n{metadata.to_yaml()}\n---\n\n{model_card(record)}"


def push_bundle(bundle: Bundle, repository: str) -> str:
    """Push a bundle to a repository of the hub, as one commit; return the commit's address.

    A repository that does not exist is created, as a private one.

    Parameters
    ----------
    bundle
        Bundle to push: the files that its record lists, the record, and the card as README.md.
    repository
        ``USER/NAME``.

    Raises
    ------
    BundleError
        If there is no token, or the hub cannot be reached or refuses.
    """
    _require_repository_name(repository)
    if huggingface_hub.get_token() is None:
        raise BundleError(f"{repository}: no token of the hub is known; {_TOKEN_HELP}")
    additions = [
        CommitOperationAdd(path_in_repo=name, path_or_fileobj=bundle.folder / name)
        for name in (*bundle.record.files, RECORD, CHECKSUM)
    ]
    card = CommitOperationAdd(README, hub_card(bundle.record).encode())
    hub = HfApi(library_name="pneumoscope")
    with _explained(repository):
        hub.create_repo(repository, private=True, exist_ok=True)
        commit = hub.create_commit(
            repository, [*additions, card], commit_message=f"Add {bundle.identity}"
        )
    return str(commit.commit_url)


def pull_bundle(name: str, out: Path) -> Bundle:
    """Pull a bundle from a repository of the hub, and check every byte of it.

    Parameters
    ----------
    name
        ``USER/NAME``, or ``USER/NAME@REVISION``: a branch, tag or commit.
    out
        Folder to write; it must not exist, or be empty.

    Raises
    ------
    BundleError
        If the hub cannot be reached, the repository or revision does not exist or has no bundle, or
        a file differs from the bundle's record.
    StorageError
        If the folder is not empty or cannot be written.
    """
    require_empty(out)
    repository, _, revision = name.partition("@")
    _require_repository_name(repository)
    hub = HfApi(library_name="pneumoscope")
    with _explained(name):
        record = Path(hub.hf_hub_download(repository, RECORD, revision=revision or None))
    snapshot = record.parent
    with _report_damage(name):
        files = Bundle.read_file_names(snapshot)
    with _explained(name):
        for file in (CHECKSUM, *files):  # of one commit, even if somebody pushes meanwhile
            hub.hf_hub_download(repository, file, revision=snapshot.name)
    with _report_damage(name):
        bundle = Bundle.open(snapshot)
    with atomic_folder(out) as folder:
        for file in (*bundle.record.files, RECORD, CHECKSUM):
            write_bytes(folder / file, (snapshot / file).read_bytes())
    return Bundle.open(out)


@contextmanager
def _report_damage(name: str) -> Iterator[None]:
    try:
        yield
    except BundleError as error:
        raise BundleError(
            f"{name}: the bundle is damaged or cannot be read, and was not written ({error}). "
            "Remove it from the hub's cache and pull again; if that fails, tell its owner"
        ) from error


def _require_repository_name(repository: str) -> None:
    if repository.count("/") != 1 or not all(repository.split("/")):
        raise BundleError(f"{repository}: not the name of a repository; write it as USER/NAME")


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn the client's exceptions into one message with a remedy, without the token."""
    try:
        yield
    except _CLIENT_ERRORS as error:
        raise BundleError(f"{name}: {_explain(error)}") from error


def _explain(error: Exception) -> str:
    match error:
        case errors.GatedRepoError():
            return "its owner must grant you access first; ask on its page, and pass your token"
        case errors.RepositoryNotFoundError():
            return (
                "there is no such repository, or you may not see it; check the name, or, if it is "
                f"private, {_TOKEN_HELP}"
            )
        case errors.RevisionNotFoundError():
            return "there is no such revision; name a branch, tag or commit of the repository"
        case errors.EntryNotFoundError() if not isinstance(error, errors.LocalEntryNotFoundError):
            reason = _first_line(error)
            return f"holds no bundle, or an incomplete one ({reason}); name one with a {RECORD}"
        case errors.HfHubHTTPError() if error.response.status_code in (401, 403):
            return f"the hub refused access ({_first_line(error)}); {_TOKEN_HELP}"
        case _:
            return (
                f"the hub cannot be reached or did not answer ({_first_line(error)}); check the "
                "connection, and that HF_HUB_OFFLINE is not set"
            )


def _first_line(error: Exception) -> str:
    line = str(error).strip().partition("\n")[0]
    token = huggingface_hub.get_token()
    return line.replace(token, "***") if token else line
