"""Every metric of the reconciler: its name, type, labels and help.

Names follow https://prometheus.io/docs/practices/naming/. What is counted is kept in the history: a run from
cron, and a service that was restarted, count on from where the one before them ended.
"""

from __future__ import annotations

from dataclasses import dataclass

_SA = ("router", "tunnel", "child")
UNITS = (
    "command",
    "commit",
    "diagnosis",
    "events",
    "fetch",
    "forge",
    "history",
    "keys",
    "link",
    "look-up",
    "metrics",
    "notification",
    "page",
    "probes",
    "report",
    "router",
    "run",
    "thread",
    "web",
)
"""Kinds of units that can fail by themselves in a service."""


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: its name without the prefix and, for what is counted, without `_total`."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str

    @property
    def full_name(self) -> str:
        """As it is exposed."""
        return f"tunnelwright_{self.name}" + ("_total" if self.kind == "counter" else "")


RUNS = Family("runs", "counter", ("result",), "Runs, by result.")
RUN_SECONDS = Family("run_seconds", "counter", (), "Seconds spent in runs.")
LAST_RUN = Family("last_run_timestamp_seconds", "gauge", (), "When the last run ended.")
LAST_DURATION = Family("last_run_duration_seconds", "gauge", (), "How long the last run took.")
LAST_RESULT = Family(
    "last_run_result", "gauge", ("result",), "1 for the result of the last run, 0 for the others."
)
LAST_SUCCESS = Family(
    "last_success_timestamp_seconds", "gauge", (), "When a run last ended as in sync, changed or held."
)
REFUSED = Family(
    "commit_refused", "gauge", (), "1 if a commit other than the head of the branch is in force."
)
COMMIT = Family(
    "commit_info", "gauge", ("head", "in_force"), "Always 1; the labels are the commits of the last run."
)
REACHABLE = Family("router_reachable", "gauge", ("router",), "Whether the last run could read the router.")
NOT_UNDERSTOOD = Family(
    "router_not_understood",
    "gauge",
    ("router",),
    "1 if the router answered in the last run, but its answer was not understood.",
)
WITHHELD = Family(
    "router_withheld",
    "gauge",
    ("router",),
    "1 if the last run withheld the router because of strangers: tunnels without evidence that Git ever "
    "had them.",
)
KEYLESS = Family(
    "tunnels_without_key",
    "gauge",
    ("router",),
    "Tunnel ends that the last run withheld because their keys could not be read.",
)
CHILD_UP = Family(
    "child_sa_up",
    "gauge",
    _SA,
    "Whether a child of an enabled tunnel has a CHILD_SA; 0 is configured but down.",
)
UP_SINCE = Family(
    "child_sa_up_since_timestamp_seconds",
    "gauge",
    _SA,
    "Since when a child has had a CHILD_SA without interruption, as far as its router was followed.",
)
DOWNS = Family(
    "tunnel_downs", "counter", ("router", "tunnel"), "How often a child of a tunnel lost its last CHILD_SA."
)
REKEYS = Family("tunnel_rekeys", "counter", ("router", "tunnel", "sa"), "Rekeys of IKE_SAs and CHILD_SAs.")
FAILED_ATTEMPTS = Family(
    "tunnel_attempts_failed",
    "counter",
    ("router", "tunnel"),
    "Attempts to bring a tunnel up that ended before its IKE_SA was established.",
)
ALERTS = Family(
    "tunnel_alerts",
    "counter",
    ("router", "tunnel", "type"),
    "Alerts of charon about a tunnel (strongSwan 6.0.3 and later).",
)
FOLLOWED = Family(
    "router_followed", "gauge", ("router",), "Whether the events of the router are followed now."
)
EVENTS_DROPPED = Family(
    "tunnel_events_dropped",
    "counter",
    ("router",),
    "Events that were not kept because too many waited to be written.",
)
STATE = Family(
    "tunnel_state",
    "gauge",
    ("router", "tunnel", "state"),
    "Always 1; the label is what the service's probes have shown last: carrying, degraded, "
    "carrying-nothing, down, disabled or unknown.",
)
STATE_SINCE = Family(
    "tunnel_state_since_timestamp_seconds",
    "gauge",
    ("router", "tunnel"),
    "Since when a tunnel is in the state that probes have shown.",
)
ROUND_TRIP = Family(
    "tunnel_probe_rtt_seconds",
    "gauge",
    ("router", "tunnel"),
    "The shortest round trip through a tunnel in the last round of probes that was answered.",
)
BASELINE = Family(
    "tunnel_probe_rtt_baseline_seconds",
    "gauge",
    ("router", "tunnel"),
    "The usual round trip through a tunnel: the median of its last 30 rounds of probes.",
)
LOSS = Family(
    "tunnel_probe_loss_ratio",
    "gauge",
    ("router", "tunnel"),
    "The lost share of the echo requests of the last 10 rounds of probes through a tunnel.",
)
PROBE_INTERVAL = Family(
    "router_probe_interval_seconds",
    "gauge",
    ("router",),
    "Seconds between two rounds of probes of a router, which its budget of packets may make longer.",
)
RECEIVED = Family("child_sa_received_bytes", "counter", _SA, "Bytes decrypted by the running CHILD_SAs.")
SENT = Family("child_sa_sent_bytes", "counter", _SA, "Bytes encrypted by the running CHILD_SAs.")
DRIFT = Family("drift_resources", "gauge", ("router",), "Drifted resources that were not repaired.")
REPAIRED = Family("drift_healed", "counter", ("router",), "Drifted resources that were repaired.")
PROBES = Family(
    "change_probes", "counter", ("predicted",), "Round trips sent through changed tunnels during applies."
)
LOST = Family(
    "change_probes_lost",
    "counter",
    ("predicted",),
    "Lost round trips, by the disruption that the plan had predicted.",
)
DROPPED = Family(
    "change_packets_dropped",
    "counter",
    ("router",),
    "Packets that the kernel dropped during applies because their SA was not installed yet.",
)
UNFORESEEN = Family(
    "unforeseen_errors",
    "counter",
    ("kind",),
    "Unforeseen errors, by the kind of work that they ended.",
)
HISTORY_WRITTEN = Family(
    "history_written", "gauge", (), "Whether the history's file is complete; 0 while it cannot be written."
)
SET_ASIDE = Family("history_set_aside", "counter", (), "Damaged history files that were set aside.")
COPIES_SET_ASIDE = Family(
    "repository_set_aside", "counter", (), "Damaged clones of the repository that were set aside."
)
UNREADABLE = Family(
    "sent_records_unreadable",
    "counter",
    (),
    "Unreadable records of what a receiver was sent: it gets notifications from the latest run on.",
)
FAMILIES = (
    RUNS,
    RUN_SECONDS,
    LAST_RUN,
    LAST_DURATION,
    LAST_RESULT,
    LAST_SUCCESS,
    REFUSED,
    COMMIT,
    REACHABLE,
    NOT_UNDERSTOOD,
    WITHHELD,
    KEYLESS,
    CHILD_UP,
    UP_SINCE,
    DOWNS,
    REKEYS,
    FAILED_ATTEMPTS,
    ALERTS,
    FOLLOWED,
    EVENTS_DROPPED,
    STATE,
    STATE_SINCE,
    ROUND_TRIP,
    BASELINE,
    LOSS,
    PROBE_INTERVAL,
    RECEIVED,
    SENT,
    DRIFT,
    REPAIRED,
    PROBES,
    LOST,
    DROPPED,
    UNFORESEEN,
    HISTORY_WRITTEN,
    SET_ASIDE,
    COPIES_SET_ASIDE,
    UNREADABLE,
)
