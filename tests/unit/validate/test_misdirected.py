"""A wrong peer address is reported where it stands, where the networks say whose it is."""

from __future__ import annotations

import pytest

from tests.unit.validate.written import Data, document, network, peer, tunnel, validated

FABRIC = [
    document("PublicNetwork", "wan", {"cidr": "203.0.113.0/24"}),
    *(network(f"lan{number}", f"10.{number}.0.0/24") for number in (1, 2, 3)),
    *(
        document(
            "VpcRouter",
            f"r{number}",
            {
                "publicNetworks": [{"network": "wan", "interface": "wan0", "address": f"203.0.113.{number}"}],
                "vpcNetworks": [
                    {"network": f"lan{number}", "interface": "lan0", "address": f"10.{number}.0.1"}
                ],
            },
        )
        for number in (1, 2, 3)
    ),
]


def end(here: int, there: int, peers: str = "", name: str = "", **says: object) -> Data:
    """From the site `here` to `there`, at the address `peers` in place of its own."""
    to = peer(f"10.{there}.0.0/24", address=peers or f"203.0.113.{there}")
    return tunnel(
        name or f"t{here}{there}",
        router=f"r{here}",
        source={"networks": [f"lan{here}"]},
        peer={**to, **says},
    )


def reported(*tunnels: Data) -> list[tuple[str, str, str, list[int]]]:
    """Code, tunnel, field, and the lines of related places."""
    found = validated([*FABRIC, *tunnels])[1]
    names = {2 * (len(FABRIC) + number) + 1: item["metadata"] for number, item in enumerate(tunnels)}
    return [
        (
            item.code,
            str(names[item.location.line]["name"]),  # type: ignore[index]
            item.path,
            [place.line for place in item.related],
        )
        for item in found
    ]


LINE = 2 * len(FABRIC) + 1
"""Of the first tunnel: each document is a line, and so is what separates two."""
WRONG = "spec.peer.address"


@pytest.mark.parametrize("address", ["198.51.100.9", "203.0.113.3", "203.0.113.77"])
@pytest.mark.parametrize("first", [1, 2])
def test_the_end_that_is_wrong_is_named_alone(address: str, first: int) -> None:
    """The address may be of no router, of another router, or of the network; whichever end is read first."""
    wrong, right = end(1, 2, address), end(2, 1)
    written = [wrong, right] if first == 1 else [right, wrong]
    there = LINE + 2 if first == 1 else LINE
    assert reported(*written) == [("mirror-mismatch", "t12", WRONG, [there])]


def test_an_end_that_says_whose_its_peer_is_is_not_blamed() -> None:
    partner = end(1, 2, "198.51.100.9", managed=False)
    assert [row[:3] for row in reported(partner, end(2, 1))] == [("mirror-missing", "t21", WRONG)]
    assert reported(end(1, 2, "198.51.100.9"), end(2, 1, managed=False)) == []


def test_another_tunnel_of_the_peer_is_not_blamed() -> None:
    """It leads to other networks, so nothing says that it is the other end."""
    assert [row[:3] for row in reported(end(1, 3, "198.51.100.9"), end(2, 1))] == [
        ("mirror-missing", "t21", WRONG)
    ]


def test_where_several_could_be_meant_both_ends_miss_one() -> None:
    ends = (end(1, 2, "198.51.100.9", "x"), end(1, 2, "198.51.100.8", "y"), end(2, 1))
    assert ("mirror-missing", "t21", WRONG) in [row[:3] for row in reported(*ends)]
    assert "mirror-mismatch" not in [row[0] for row in reported(*ends)]


def test_where_both_are_wrong_each_is_reported_by_itself() -> None:
    both = reported(end(1, 2, "203.0.113.3"), end(2, 1, "203.0.113.3"))
    assert [row[:3] for row in both] == [("mirror-missing", "t12", WRONG), ("mirror-missing", "t21", WRONG)]
