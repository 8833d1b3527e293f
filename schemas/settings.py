"""The settings of `tunnelwright reconcile`: the models of its file."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated, Final, Literal, get_args

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from schemas.base import PATTERNS, SEQUENCE, Model
from schemas.confirm import MAX_CONFIRM, MIN_CONFIRM
from schemas.probe import MAX_PROBE_INTERVAL, MIN_PROBE_INTERVAL

URL: Final = r"^https?://[^\s/@?#]+(/[^\s@?#]*)?$"
"""No user and no password in it: messages name it."""
PROJECT: Final = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$"
_PATH: Final = "^(/|~/)"

HEADER: Final = "^[A-Za-z][A-Za-z0-9-]{0,63}$"
PEER: Final = "^[0-9A-Fa-f:.]{2,45}$"

FilePath = Annotated[str, Field(pattern=_PATH)]


def _not_shown(pattern: str, what: str) -> BeforeValidator:
    """Refuses values that do not match, without repeating them, as pydantic's own message would."""

    def check(value: object) -> object:
        if not (isinstance(value, str) and re.search(pattern, value)):
            raise PydanticCustomError(
                "not_shown",
                "this is not {what}; it is not shown, because it may be a secret",
                {"what": what, "expected": PATTERNS[pattern]},
            )
        return value

    return BeforeValidator(check)


KEY_VARIABLES: Final = r"^([A-Za-z_][A-Za-z0-9_]*\*?(, ?[A-Za-z_][A-Za-z0-9_]*\*?)*)?$"
KEY_PATHS: Final = r"^([A-Za-z0-9_-][A-Za-z0-9_./-]*\*?(, ?[A-Za-z0-9_-][A-Za-z0-9_./-]*\*?)*)?$"
SOPS_SERVICES: Final = r"^([a-z][a-z0-9_]*(, ?[a-z][a-z0-9_]*)*)?$"

SecretPath = Annotated[str, _not_shown(_PATH, "a path"), WithJsonSchema({"type": "string", "pattern": _PATH})]
"""The path of a file that holds a secret; a user may have written the secret itself by mistake."""

ApiUrl = Annotated[str, _not_shown(URL, "an address"), WithJsonSchema({"type": "string", "pattern": URL})]
"""The address of an API; a user may have written a password into it."""

TopicName = Literal[
    "rolled-back",
    "refused",
    "failed",
    "incomplete",
    "down",
    "carrying-nothing",
    "degraded",
    "drift",
    "changed",
    "recovered",
]


class KeySettings(Model):
    """Sources of keys that documents may name in addition to `psk`, `TUNNELWRIGHT_KEY_…` and
    `tunnelwright/` in Vault."""

    folder: FilePath | None = Field(
        default=None,
        description=(
            "The folder of the key files that documents name with `{file: …}`. Default: `psk` in the folder "
            "that `secrets` names."
        ),
        examples=["/run/secrets"],
    )
    variables: str = Field(
        default="",
        pattern=KEY_VARIABLES,
        max_length=4096,
        description=(
            "Variables that documents may name with `{env: …}` although they do not begin with "
            "`TUNNELWRIGHT_KEY_`: names, or prefixes that end with `*`, separated by commas."
        ),
        examples=["PSK_A_B, SITE_*"],
    )
    vault_paths: str = Field(
        default="",
        pattern=KEY_PATHS,
        max_length=4096,
        description=(
            "Paths in Vault that documents may name with `{vault: …}` although they do not begin with "
            "`tunnelwright/` in their mount: complete paths with their mount, or prefixes that end with "
            "`*`, separated by commas."
        ),
        examples=["secret/tunnels/*, kv/a--b"],
    )
    sops_services: str = Field(
        default="",
        pattern=SOPS_SERVICES,
        max_length=256,
        description=(
            "Services besides age that may decrypt SOPS files, as named in SOPS's metadata and separated by "
            "commas: `kms`, `gcp_kms`, `azure_kv`, `hc_vault`, `pgp`, `key_groups`. sops then connects to "
            "the service that the *file* names, with the credentials of the controller."
        ),
        examples=["pgp, hc_vault"],
    )


class ProbeSettings(Model):
    """How the service probes tunnels."""

    enabled: bool = Field(
        default=True,
        description="Whether the service probes tunnels between its runs.",
        examples=[False],
    )
    interval: float = Field(
        default=60,
        ge=MIN_PROBE_INTERVAL,
        le=MAX_PROBE_INTERVAL,
        description=(
            "Seconds between two rounds of a router. Each round sends three echo requests through each of "
            "its tunnels. A tunnel's document may say another interval."
        ),
        examples=[30],
    )
    packets: int = Field(
        default=20,
        ge=1,
        le=10_000,
        description=(
            "Echo requests a second that one router sends and answers, at most. What exceeds it is spread "
            "over a longer interval."
        ),
        examples=[100],
    )
    repair: bool = Field(
        default=False,
        description=(
            "Whether the service diagnoses a tunnel that is up and carries nothing, and reconnects it where "
            "new SAs may help. Maintenance windows and budgets hold."
        ),
        examples=[True],
    )


class SignatureSettings(Model):
    """Whose commits are accepted. With neither field, every commit is."""

    allowed_signers: FilePath | None = Field(
        default=None,
        description='SSH keys that may sign: a file as ssh-keygen(1), "ALLOWED SIGNERS", describes it.',
        examples=["/etc/tunnelwright/signers"],
    )
    revoked_signers: FilePath | None = Field(
        default=None,
        description=(
            "Revoked SSH keys and certificates: their public keys, one in a line, or a list as "
            'ssh-keygen(1), "KEY REVOCATION LISTS", describes it.'
        ),
        examples=["/etc/tunnelwright/revoked"],
    )
    keyring: FilePath | None = Field(
        default=None,
        description="A GnuPG home: every key in it may sign, unless it has expired or was revoked.",
        examples=["/etc/tunnelwright/gnupg"],
    )


class ListenSettings(Model):
    """Where the service listens: `/healthz`, `/metrics`, and `/webhook` if there is a secret for it."""

    address: str = Field(
        default="127.0.0.1",
        description="The address to listen on.",
        examples=["0.0.0.0"],  # noqa: S104
    )
    port: int = Field(
        default=8080, ge=0, le=65535, description="The port; 0 chooses a free one.", examples=[9000]
    )
    webhook_secret_file: SecretPath | None = Field(
        default=None,
        description=(
            "A file with the secret that signs webhooks, readable only by its owner. Without it there is no "
            "`/webhook`."
        ),
        examples=["/etc/tunnelwright/webhook.secret"],
    )


class PageSettings(Model):
    """Where the service serves the page, and who may read it."""

    address: str = Field(
        default="127.0.0.1",
        pattern=PEER,
        description=(
            "The address to listen on. Another one than loopback needs `tokenFile`, or `identityHeader` and "
            "`proxy`."
        ),
        examples=["192.0.2.10"],
    )
    port: int = Field(
        default=8081, ge=0, le=65535, description="The port; 0 chooses a free one.", examples=[9001]
    )
    url: str | None = Field(
        default=None,
        pattern=URL,
        description=(
            "The address at which browsers reach the page. Messages and commit statuses link to it, and "
            "requests may name its host."
        ),
        examples=["https://tunnels.example.net"],
    )
    identity_header: str | None = Field(
        default=None,
        pattern=HEADER,
        description=(
            "The header in which a reverse proxy names the user that it has authenticated. A request without "
            "it is refused."
        ),
        examples=["X-Forwarded-User"],
    )
    proxy: str | None = Field(
        default=None,
        pattern=PEER,
        description="The address of this reverse proxy. Requests from all others are refused.",
        examples=["192.0.2.20"],
    )
    token_file: SecretPath | None = Field(
        default=None,
        description=(
            "A file with a token, readable only by its owner. A browser asks for it as a password, whatever "
            "the user name is."
        ),
        examples=["/etc/tunnelwright/page.token"],
    )

    @model_validator(mode="after")
    def _is_guarded(self) -> PageSettings:
        if (self.identity_header is None) != (self.proxy is None):
            problem = "`identityHeader` and `proxy` belong together: others could send the header too"
            raise PydanticCustomError("missing", "{problem}", {"problem": problem})
        if not is_loopback(self.address) and self.token_file is None and self.identity_header is None:
            raise PydanticCustomError(
                "missing",
                "{problem}",
                {
                    "problem": f"{self.address} is not a loopback address: `tokenFile`, or `identityHeader` "
                    "and `proxy`, are missing"
                },
            )
        return self


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches an address; False for what is no address."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


class StatusSettings(Model):
    """Where commits get a status."""

    forge: Literal["github", "gitlab", "gitea"] = Field(
        description="The kind of forge; use `gitea` for Forgejo.", examples=["github"]
    )
    url: ApiUrl = Field(
        default="",
        description=(
            "The address of the API. For a self-hosted server it is `https://HOST/api/v3` (GitHub), "
            "`https://HOST/api/v4` (GitLab), or `https://HOST/api/v1` (Gitea, where it is required). "
            "Default: the public one."
        ),
        examples=["https://git.example.net/api/v4"],
    )
    project: str = Field(
        pattern=PROJECT,
        description="`owner/name`; for GitLab the complete path, or the project's number in quotes.",
        examples=["acme/tunnels"],
    )
    token_file: SecretPath = Field(
        description="A file with the token, readable only by its owner; read again for each request.",
        examples=["/etc/tunnelwright/github.token"],
    )
    context: str = Field(
        default="tunnelwright",
        min_length=1,
        max_length=100,
        description="The name of the status.",
        examples=["tunnels/production"],
    )

    @model_validator(mode="after")
    def _has_address(self) -> StatusSettings:
        if self.forge == "gitea" and not self.url:
            raise PydanticCustomError(
                "missing", "{problem}", {"problem": "Gitea has no public server: `url` is missing"}
            )
        return self


class NotifySettings(Model):
    """A receiver of messages, and the topics that it wants."""

    url_file: SecretPath = Field(
        description="A file with one Apprise URL, readable only by its owner.",
        examples=["/etc/tunnelwright/pager.url"],
    )
    on: Annotated[tuple[TopicName, ...], SEQUENCE] = Field(
        default=tuple(name for name in get_args(TopicName) if name != "changed"),
        min_length=1,
        max_length=100,
        description="The topics that cause a message. Default: all but `changed`.",
        examples=[["down", "rolled-back"]],
    )


class ReconcileSettings(Model):
    """Settings of `tunnelwright reconcile`: one YAML file; environment variables override single values."""

    repository: str = Field(
        min_length=1,
        description="The address or path for `git fetch`.",
        examples=["https://git.example.net/network/tunnels.git"],
    )
    branch: str = Field(
        default="main",
        pattern=r"^[A-Za-z0-9._/-]+$",
        description="The branch to follow.",
        examples=["production"],
    )
    folder: str = Field(
        default="desired_state",
        description="The folder of the desired state in the repository.",
        examples=["network/tunnels"],
    )
    state: FilePath = Field(
        default="~/.local/state/tunnelwright",
        description=(
            "The service's own folder, for the clone of the repository and the history. One `reconcile` at a "
            "time uses it."
        ),
        examples=["/var/lib/tunnelwright"],
    )
    secrets: FilePath | None = Field(
        default=None,
        description=(
            "The controller's folder: its identity, `fingerprint.key`, and in `psk` the key files, "
            "one key in each, readable only by their owner. "
            "Default: ~/.config/tunnelwright/secrets, or below `$XDG_CONFIG_HOME` if that is set."
        ),
        examples=["/etc/tunnelwright/keys"],
    )
    keys: KeySettings = Field(
        default_factory=KeySettings,
        description=(
            "Sources of keys that documents may name in addition to `psk`, `TUNNELWRIGHT_KEY_…` and, in "
            "Vault, `tunnelwright/`."
        ),
        examples=[{"variables": "PSK_A_B, SITE_*"}],
    )
    interval: float = Field(
        default=60, ge=1, le=86_400, description="Seconds between two runs.", examples=[30]
    )
    jitter: float = Field(
        default=0.1, ge=0, le=1, description="The random share of the interval.", examples=[0.2]
    )
    parallelism: int = Field(
        default=10, ge=1, le=1000, description="Routers to work on at the same time.", examples=[50]
    )
    wait: float = Field(
        default=10, ge=0, le=600, description="Seconds to wait for new tunnels to come up.", examples=[30]
    )
    rollback: bool = Field(
        default=True,
        description="Whether a commit that breaks a tunnel is rolled back.",
        examples=[False],
    )
    confirm: int | None = Field(
        default=None,
        ge=MIN_CONFIRM,
        le=MAX_CONFIRM,
        description=(
            "Seconds after which each router that a run changes goes back by itself, unless the run has "
            "proven and confirmed the change before. Without it routers do not go back by themselves."
        ),
        examples=[300],
    )
    follow: bool = Field(
        default=True,
        description=(
            "Whether the service follows charon's events at every router, over one connection that stays "
            "open, so that it knows at once when a tunnel goes down."
        ),
        examples=[False],
    )
    probes: ProbeSettings = Field(
        default_factory=ProbeSettings,
        description=(
            "How the service probes tunnels between its runs: from the router's own address inside one end "
            "to that of the other end, or to the target that the document of an unmanaged peer names."
        ),
        examples=[{"interval": 30}],
    )
    signatures: SignatureSettings = Field(
        default_factory=SignatureSettings,
        description=(
            "Whose commits are accepted: the head of the branch must descend from the last good commit, and "
            "every commit since then must be signed with one of these keys. With neither `allowedSigners` "
            "nor `keyring`, every commit is accepted."
        ),
        examples=[{"allowedSigners": "/etc/tunnelwright/signers"}],
    )
    metrics_file: FilePath | None = Field(
        default=None,
        description="A file for the metrics after each run, for the textfile collector of node_exporter.",
        examples=["/var/lib/node_exporter/tunnelwright.prom"],
    )
    log_format: Literal["text", "json"] = Field(
        default="text",
        description="The format of the log: a line for people, or events as JSON objects.",
        examples=["json"],
    )
    listen: ListenSettings | None = Field(
        default=None,
        description=(
            "Where the service listens: `/healthz`, `/metrics`, and `/webhook` if there is a secret. "
            "Without it the service does not listen."
        ),
        examples=[{"port": 9000}],
    )
    page: PageSettings | None = Field(
        default=None,
        description="Where the service serves the page. Without it there is no page.",
        examples=[{"url": "https://tunnels.example.net"}],
    )
    status: StatusSettings | None = Field(
        default=None,
        description="The forge on which commits get a status. Without it they get none.",
        examples=[
            {"forge": "github", "project": "acme/tunnels", "tokenFile": "/etc/tunnelwright/github.token"}
        ],
    )
    notify: Annotated[tuple[NotifySettings, ...], SEQUENCE] = Field(
        default=(),
        max_length=100,
        description="Receivers of messages. Without it there are none.",
        examples=[[{"urlFile": "/etc/tunnelwright/pager.url"}]],
    )
