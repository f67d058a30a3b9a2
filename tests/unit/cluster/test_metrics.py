"""What Prometheus reads of a cluster: each container once, and sums that fall to 0."""

from __future__ import annotations

import re

from jenkins_notary.cluster.board import Board, Verdict
from jenkins_notary.cluster.figures import add_figures
from jenkins_notary.cluster.metrics import ContainerSeries
from jenkins_notary.serving.metrics import Metrics
from jenkins_notary.values.status import Status
from tests.parts.board import (
    JOB,
    SIGNER,
    container,
    exemption,
    stand_well,
    verdict,
)
from tests.parts.site import HOSTILE

INFO = "jenkins_notary_cluster_container_info"
STATUS = "kube_notary_vcn_verification_status"
LEVEL = "kube_notary_vcn_verification_level"


def series_of(text: bytes, name: str) -> dict[str, str]:
    """Return the values of a metric by its labels."""
    lines = text.decode().splitlines()
    found = (re.fullmatch(rf"{name}(\{{.*\}})? (\S+)", one) for one in lines)
    return {one[1]: one[2] for one in found if one}


def test_container_has_the_series_of_kube_notary_and_ours() -> None:
    board = Board()
    stand_well(board)
    board.put(container(), verdict())
    (one,) = board.snapshot()
    text = ContainerSeries().render(board.snapshot())

    has = one.container
    digest = str(has.digest)
    labels = (
        f'{{namespace="shop",pod="web-0",container="web",image="{has.image}",'
        f'image_id="{has.image_id}",hash="{digest[7:]}"}}'
    )
    assert series_of(text, STATUS) == {labels: "0"}
    assert series_of(text, LEVEL) == {labels: "3"}
    assert series_of(text, INFO) == {
        f'{{namespace="shop",pod="web-0",container="web",kind="regular",'
        f'hash="{digest[7:]}",status="TRUSTED",exempt="false",stale="false",'
        f'signer="{SIGNER}",build="{JOB}"}}': "1"
    }


def test_container_that_went_has_no_series_and_its_sum_falls_to_zero() -> None:
    board, series = Board(), ContainerSeries()
    board.put(container("web-0"), verdict())
    board.put(container("web-1"), verdict(Status.UNTRUSTED))
    before = series.render(board.snapshot())
    board.keep_of_pod("uid-web-1", ())
    after = series.render(board.snapshot())

    aggregate = 'kube_notary_aggregate_status{target_namespace="",status="UNTRUSTED"}'
    ours = 'jenkins_notary_cluster_containers{namespace="shop",status="UNTRUSTED"}'
    for name in (aggregate, ours):
        assert f"{name} 1\n" in before.decode()
        assert f"{name} 0\n" in after.decode()
    assert 'pod="web-1"' in before.decode()
    assert 'pod="web-1"' not in after.decode()
    assert series.render(()).decode().count(" 0\n") == len(Status)


def test_container_whose_status_changes_is_told_with_the_new_one_alone() -> None:
    board, series = Board(), ContainerSeries()
    board.put(container(), verdict())
    series.render(board.snapshot())
    board.put(container(), verdict(Status.REVOKED, level=None), exemption())
    text = series.render(board.snapshot())

    assert list(series_of(text, STATUS).values()) == ["4"]
    assert list(series_of(text, LEVEL).values()) == ["0"]
    (labels,) = series_of(text, INFO)
    assert 'status="REVOKED",exempt="true"' in labels


def test_container_without_a_digest_is_unknown_and_not_left_out() -> None:
    board = Board()
    board.put(container(digest=None, error="none"), Verdict.unknown("none"))
    text = ContainerSeries().render(board.snapshot())

    ((labels, value),) = series_of(text, STATUS).items()
    assert (value, 'hash=""' in labels) == ("2", True)


def test_of_two_pods_of_one_name_the_worse_is_told_once() -> None:
    board = Board()
    board.put(container(uid="a"), verdict(Status.UNTRUSTED))
    board.put(container(uid="b"), verdict(Status.TRUSTED))
    text = ContainerSeries().render(board.snapshot())

    assert list(series_of(text, STATUS).values()) == ["1"]


def test_each_namespace_that_is_watched_has_a_sum_of_its_own() -> None:
    board = Board()
    board.put(container("web-0"), verdict())
    board.put(container("db-0", namespace="data"), verdict(Status.UNKNOWN))
    text = ContainerSeries().render(board.snapshot(), ("data", "empty"))

    sums = series_of(text, "kube_notary_aggregate_status")
    assert len(sums) == 2 * len(Status)
    assert sums['{target_namespace="data",status="UNKNOWN"}'] == "1"
    assert set(series_of(text, "kube_notary_aggregate_status").values()) == {"0", "1"}


def test_hostile_names_stay_within_their_labels_and_have_no_control_characters() -> (
    None
):
    board = Board()
    nasty = f'{HOSTILE}"}} 9\nup 1\\\x00\ud800'
    board.put(container(image=nasty, name=nasty), verdict(job=nasty))
    text = ContainerSeries().render(board.snapshot()).decode()

    assert not any(ord(one) < 32 for one in text.replace("\n", ""))
    assert all(one.startswith(("#", "kube_", "jenkins_")) for one in text.splitlines())


def test_changes_are_counted_by_the_leader_alone() -> None:
    board, metrics = Board(), Metrics()
    add_figures(metrics, board)
    board.put(container(), verdict())
    name = "jenkins_notary_cluster_changes_total"
    before = series_of(metrics.render(), name)
    stand_well(board)
    board.put(container(), verdict(Status.UNTRUSTED))
    board.put(container(), verdict(Status.UNTRUSTED), exemption())
    board.keep_of_pod("uid-web-0", ())
    after = series_of(metrics.render(), name)

    # All are there from the start, or Prometheus would not see the first change.
    assert (set(before), set(before.values())) == (set(after), {"0"})
    assert {one for one in after if after[one] == "1"} == {
        '{from="TRUSTED",to="UNTRUSTED"}',
        '{from="UNTRUSTED",to="none"}',
    }


def test_standing_is_told_in_figures() -> None:
    board, metrics = Board(), Metrics()
    add_figures(metrics, board)
    before = metrics.render().decode()
    stand_well(board)
    board.put(container(), verdict(), exemption())
    board.stand(ledger_error="connection refused", lag_ms=250)
    after = metrics.render().decode()

    cluster = "jenkins_notary_cluster_"
    for name in ("api_server_up", "ledger_up", "listed", "leader", "stale_containers"):
        assert f"{cluster}{name} 0\n" in before
    assert f"\n{cluster}tree_size " not in before
    assert f"{cluster}api_server_up 1\n" in after
    assert f"{cluster}ledger_up 0\n" in after
    assert f"{cluster}stale_containers 1\n" in after
    assert f"{cluster}exempt_containers 1\n" in after
    assert f"{cluster}lag_seconds 0.25\n" in after
    assert f"{cluster}tree_size 90\n" in after
    ends = series_of(after.encode(), f"{cluster}exemption_end_timestamp_seconds")
    assert ends == {'{namespace="shop",pod="web-0",container="web"}': "1798761600"}
