"""The reconciler's own settings: one typed YAML file, of which the environment may replace single values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, Strict, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from reconciler.forges.forge import PROJECT, URL, Kind
from reconciler.load import Document
from reconciler.load.composer import compose
from reconciler.load.scalars import resolve
from reconciler.model.diagnostic import Diagnostics, Location
from reconciler.model.errors import SourceUnavailable
from reconciler.service.news import Event
from reconciler.validate.schema_errors import report_schema_errors
from schemas.base import SEQUENCE, Model

ENVIRONMENT = "TUNNELWRIGHT_"
_PATH = Field(pattern=r"^(/|~/)")
FilePath = Annotated[str, _PATH]


class SignatureSettings(Model):
    """Whose commits count. With neither, every commit does."""

    allowed_signers: FilePath | None = Field(
        default=None, description="SSH keys that may sign: a file as ssh-keygen(1) describes it."
    )
    keyring: FilePath | None = Field(default=None, description="A GnuPG home: every key in it may sign.")


class ListenSettings(Model):
    """Where the service answers: `/healthz`, `/metrics`, and `/webhook` when there is a secret for it."""

    address: str = Field(default="127.0.0.1", description="The address to listen at.")
    port: int = Field(default=8080, ge=0, le=65535, description="The port; 0 takes a free one.")
    webhook_secret_file: FilePath | None = Field(
        default=None,
        description="A file with what signs webhooks, for its owner alone. Without it there are none.",
    )


class StatusSettings(Model):
    """Where commits get a status."""

    forge: Annotated[Kind, Strict(False)] = Field(description="Whose API it is; Forgejo's is Gitea's.")
    url: str = Field(default="", pattern=URL, description="The API's address. Default: the public one.")
    project: str = Field(pattern=PROJECT, description="`owner/name`; for GitLab also a number.")
    token_file: FilePath = Field(description="A file with the token, for its owner alone.")
    context: str = Field(
        default="tunnelwright", min_length=1, max_length=100, description="The name of the status."
    )

    @model_validator(mode="after")
    def _has_address(self) -> StatusSettings:
        if self.forge is Kind.GITEA and not self.url:
            raise PydanticCustomError(
                "missing", "{problem}", {"problem": "a Gitea has no public address: `url` is missing"}
            )
        return self


class NotifySettings(Model):
    """Who gets messages, and of what."""

    url_file: FilePath = Field(description="A file with one Apprise URL, for its owner alone.")
    on: Annotated[tuple[Annotated[Event, Strict(False)], ...], SEQUENCE] = Field(
        default=tuple(event for event in Event if event is not Event.CHANGED),
        min_length=1,
        description="What a message is about. Default: all but `changed`.",
    )


class ReconcileSettings(Model):
    """All of it."""

    repository: str = Field(min_length=1, description="What `git fetch` takes: an address, or a path.")
    branch: str = Field(default="main", pattern=r"^[A-Za-z0-9._/-]+$", description="The branch to follow.")
    folder: str = Field(default="desired_state", description="The folder of the desired state in it.")
    state: FilePath = Field(default="~/.local/state/tunnelwright", description="The service's own folder.")
    secrets: FilePath | None = Field(default=None, description="The folder of the key files.")
    interval: float = Field(default=60, ge=1, le=86_400, description="Seconds between two looks.")
    jitter: float = Field(
        default=0.1, ge=0, le=1, description="Share of the interval that is left to chance."
    )
    parallelism: int = Field(default=10, ge=1, le=1000, description="Routers worked on at once.")
    wait: float = Field(default=10, ge=0, le=600, description="Seconds that new tunnels have to come up.")
    rollback: bool = Field(
        default=True, description="Whether a commit that does not prove good is taken back."
    )
    signatures: SignatureSettings = Field(
        default_factory=SignatureSettings, description="Whose commits count."
    )
    metrics_file: FilePath | None = Field(
        default=None,
        description="Where metrics are written after each run, for the textfile collector of node_exporter.",
    )
    log_format: Literal["text", "json"] = Field(
        default="text", description="How runs are told: a line for people, or events as JSON objects."
    )
    listen: ListenSettings | None = Field(default=None, description="Without it the service does not listen.")
    status: StatusSettings | None = Field(default=None, description="Without it commits get no status.")
    notify: Annotated[tuple[NotifySettings, ...], SEQUENCE] = Field(
        default=(), description="Messages to people; without it there are none."
    )


def read_settings(
    path: Path | None, environment: Mapping[str, str], found: Diagnostics
) -> ReconcileSettings | None:
    """The settings of a file, or of the environment alone; None when there are errors, which are in `found`.

    `TUNNELWRIGHT_INTERVAL=30` replaces `interval`; settings in sections have no variable.
    Raises SourceUnavailable.
    """
    document = _read(path, found)
    if document is None:
        return None
    data: dict[str, Any] = dict(document.data) if isinstance(document.data, dict) else {}
    replaced = {}
    for name, field in ReconcileSettings.model_fields.items():
        variable = f"{ENVIRONMENT}{name.upper()}"
        if variable in environment:
            key = field.alias or name
            text = environment[variable]
            data[key] = text if field.annotation in {str, str | None} else resolve(text)
            replaced[key] = Location(f"environment variable {variable}")
    try:
        settings = ReconcileSettings.model_validate(data)
    except ValidationError as error:
        problems = Diagnostics()
        report_schema_errors(error, ReconcileSettings, document, problems)
        found.extend(replace(item, location=replaced.get(item.path, item.location)) for item in problems)
        return None
    return None if found.errors else settings


def _read(path: Path | None, found: Diagnostics) -> Document | None:
    if path is None:
        return Document({}, (1, 1), "settings", 0)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SourceUnavailable(f"cannot read {path}: {error.strerror}") from error
    documents, whole = compose(content, str(path), found)
    if not whole:
        return None
    if len(documents) != 1 or not isinstance(documents[0].data, dict):
        found.error("not-a-document", Location(str(path), 1, 1), "the settings are one mapping")
        return None
    return documents[0]
