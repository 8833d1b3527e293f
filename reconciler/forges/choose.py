"""Chooses a forge, from settings or from the environment of a CI job."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from reconciler.forges import github, gitlab
from reconciler.forges.forge import Forge, Kind
from reconciler.forges.gitea import Gitea
from reconciler.model.errors import TunnelwrightError
from reconciler.model.secret import Secret
from schemas.settings import PROJECT, URL


def forge(kind: Kind, url: str, project: str, token: Secret) -> Forge:
    """The forge at an API's address; the public one when that is empty.

    Raises TunnelwrightError, and SecretUnavailable for a token that no header can carry.
    """
    if url and not re.match(URL, url):
        raise TunnelwrightError(
            "the address of the forge's API is invalid", hint="such as https://host/api/v1"
        )
    if not re.match(PROJECT, project) or (kind is not Kind.GITLAB and project.count("/") != 1):
        raise TunnelwrightError(
            f"{project!r} is not the name of a {kind.value} project", hint="such as owner/name"
        )
    match kind:
        case Kind.GITHUB:
            return github.GitHub(url or github.PUBLIC, project, token)
        case Kind.GITLAB:
            return gitlab.GitLab(url or gitlab.PUBLIC, project, token)
        case Kind.GITEA:
            if not url:
                raise TunnelwrightError(
                    "there is no public Gitea", hint="give the address of the API: https://host/api/v1"
                )
            return Gitea(url, project, token)
        case _:
            assert_never(kind)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the environment of a CI job says of its forge; empty where it says nothing."""

    kind: Kind | None = None
    url: str = ""
    project: str = ""
    token: Secret | None = None


def surroundings(environment: Mapping[str, str]) -> Surroundings:
    """GitLab CI, Gitea and Forgejo Actions, or GitHub Actions, by the variables that they set.

    Gitea's and Forgejo's runners set GitHub's variables too. GitLab's CI_JOB_TOKEN may not write notes, so
    there a token of the project is taken, under the name that GitLab's own tools use.
    """
    if environment.get("GITLAB_CI"):
        return Surroundings(
            Kind.GITLAB,
            environment.get("CI_API_V4_URL", ""),
            environment.get("CI_PROJECT_ID", ""),
            _token(environment, "GITLAB_TOKEN"),
        )
    url, project = environment.get("GITHUB_API_URL", ""), environment.get("GITHUB_REPOSITORY", "")
    if environment.get("FORGEJO_ACTIONS") or environment.get("GITEA_ACTIONS"):
        token = _token(environment, "FORGEJO_TOKEN", "GITEA_TOKEN", "GITHUB_TOKEN")
        return Surroundings(Kind.GITEA, url, project, token)
    if environment.get("GITHUB_ACTIONS"):
        return Surroundings(Kind.GITHUB, url, project, _token(environment, "GITHUB_TOKEN"))
    return Surroundings()


def _token(environment: Mapping[str, str], *names: str) -> Secret | None:
    return next((Secret(environment[name].strip().encode()) for name in names if environment.get(name)), None)
