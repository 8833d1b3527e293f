"""What a person names: at which routers it may be."""

from __future__ import annotations

import pytest

from reconciler.plan.targets import routers_of
from tests.fabrics import many_tunnels

ALL = {"paris", "tokyo"}


@pytest.mark.parametrize(
    ("targets", "excluded", "found"),
    [
        ((), (), ALL),
        (("paris",), (), {"paris"}),
        (("paris-000",), (), ALL),
        (("paris/sysctl/forwarding",), (), {"paris"}),
        (("paris/tunnel/gone",), (), {"paris"}),
        (("forwarding",), (), ALL),
        (("gone",), (), ALL),
        (("paris", "tokyo/sysctl/forwarding"), (), ALL),
        ((), ("paris",), {"tokyo"}),
        (("paris-000",), ("tokyo",), {"paris"}),
        ((), ("paris-000",), ALL),
    ],
    ids=str,
)
def test_a_name_is_looked_for_where_it_may_be(
    targets: tuple[str, ...], excluded: tuple[str, ...], found: set[str]
) -> None:
    assert routers_of(many_tunnels(1), targets, excluded) == found
