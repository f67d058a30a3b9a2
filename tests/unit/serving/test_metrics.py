"""Figures in the text format of Prometheus, bounded."""

from __future__ import annotations

import pytest

from jenkins_notary.errors import UnavailableError
from jenkins_notary.serving.metrics import MAX_SERIES, Metrics


def test_counters_and_histograms_are_told_with_help_and_kind() -> None:
    metrics = Metrics()
    metrics.counter("empty_total", "Nothing yet.")
    metrics.counter("seen_total", "Seen.", "what").add('a"b\n', by=2)
    seconds = metrics.histogram("work_seconds", "Work.", "lane")
    for value in (0.005, 0.2, 99.0):
        seconds.observe(value, "read")
    text = metrics.render().decode()

    assert "# HELP jenkins_notary_empty_total Nothing yet.\n" in text
    assert "# TYPE jenkins_notary_empty_total counter\n" in text
    assert "jenkins_notary_empty_total 0\n" in text
    assert 'jenkins_notary_seen_total{what="a\\"b\\n"} 2\n' in text
    assert 'work_seconds_bucket{lane="read",le="0.005"} 1\n' in text
    assert 'work_seconds_bucket{lane="read",le="60"} 2\n' in text
    assert 'work_seconds_bucket{lane="read",le="+Inf"} 3\n' in text
    assert 'work_seconds_sum{lane="read"} 99.205\n' in text
    assert 'work_seconds_count{lane="read"} 3\n' in text


def test_values_of_labels_are_bounded() -> None:
    metrics = Metrics()
    counter = metrics.counter("seen_total", "Seen.", "what")
    seconds = metrics.histogram("work_seconds", "Work.", "what")
    for number in range(2 * MAX_SERIES):
        counter.add(str(number))
        seconds.observe(1.0, str(number))
    text = metrics.render().decode()

    assert text.count("jenkins_notary_seen_total{") == MAX_SERIES + 1
    assert text.count("work_seconds_count{") == MAX_SERIES + 1
    assert f'seen_total{{what="other"}} {MAX_SERIES}\n' in text


def test_gauge_is_read_when_asked_and_left_out_when_it_cannot() -> None:
    metrics = Metrics()

    def fail() -> float:
        raise UnavailableError("disk")

    metrics.gauge("one", "One.", read=lambda: 1.5)
    metrics.gauge("some", "Some.", "name", read=lambda: {("b",): 2, ("a",): 1})
    metrics.gauge("none", "None.", read=lambda: None)
    metrics.gauge("broken", "Broken.", read=fail)
    text = metrics.render().decode()

    assert "jenkins_notary_one 1.5\n" in text
    assert text.index('some{name="a"} 1') < text.index('some{name="b"} 2')
    assert "\njenkins_notary_none " not in text
    assert "\njenkins_notary_broken " not in text


@pytest.mark.parametrize("name", ["seen_total"])
def test_a_name_is_one_metric(name: str) -> None:
    metrics = Metrics()

    assert metrics.counter(name, "A.") is metrics.counter(name, "B.")
