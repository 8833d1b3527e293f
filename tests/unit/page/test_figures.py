"""What connections have carried lately, and its drawing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from reconciler.model import bounds
from reconciler.page.samples import Sample, Samples, Series, figures, rates
from reconciler.page.sparkline import sparkline
from tests.contract.sites import memory_site
from tests.unit.verify.test_condition import found

NOON = datetime(2026, 5, 9, 12, tzinfo=UTC)


def sampled(*counts: int, loss: float | None = None) -> tuple[Sample, ...]:
    """One sample a minute."""
    return tuple(
        Sample(NOON + timedelta(minutes=number), count, 2 * count, loss)
        for number, count in enumerate(counts)
    )


def sent(sample: Sample) -> int:
    return sample.sent


def test_a_rate_is_what_was_counted_between_two_samples() -> None:
    assert rates(sampled(0, 600, 600), sent).points == ((60.0, 10.0), (0.0, 0.0))


def test_a_counter_of_another_sa_begins_anew() -> None:
    assert rates(sampled(6000, 60), sent).points == ((0.0, 1.0),)


def test_two_samples_of_one_time_have_no_rate() -> None:
    assert rates((*sampled(0), *sampled(60)), sent).known == ()


def test_a_figure_that_is_not_known_is_a_gap() -> None:
    shown = sparkline("Loss", Series(((120, 0.0), (60, None), (0, 0.5), (0, 1.0))), "{:.0%}".format)
    assert shown is not None
    assert shown.path.count("M") == 2
    assert (shown.latest, shown.highest, shown.span) == ("100%", "100%", "0:02:00")


def test_one_value_is_no_curve() -> None:
    assert sparkline("Loss", figures(sampled(1, loss=0.1), lambda one: one.loss), str) is None


def test_values_that_are_all_zero_are_a_curve_at_the_bottom() -> None:
    shown = sparkline("Out", rates(sampled(5, 5, 5), sent), str)
    assert shown is not None
    assert "nan" not in shown.path


def test_the_latest_samples_of_the_connections_there_are_are_kept(tmp_path: Path) -> None:
    kept = Samples()
    one = found(memory_site(tmp_path), {})
    for number in range(bounds.PAGE_SAMPLES + 5):
        kept.take(NOON + timedelta(minutes=number), [one])
    assert len(kept.of(one.name)) == bounds.PAGE_SAMPLES
    assert kept.of(one.name)[0].at == NOON + timedelta(minutes=5)
    kept.take(NOON, [])
    assert kept.of(one.name) == ()
