"""What the `Jenkins` port promises, on the stand-in and on a real controller.

The real one is used where `JENKINS_NOTARY_TEST_JENKINS_URL`, `_USER` and `_TOKEN` are
set: a throw-away controller with the Pipeline, folder and stage view plugins and no
JUnit results, whose user is an administrator. So the same tests hold the stand-in to
what Jenkins does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jenkins_notary.errors import (
    IntegrityError,
    NotFoundError,
    PermissionDeniedError,
    UsageError,
)
from jenkins_notary.jenkins.client import JenkinsClient
from jenkins_notary.ports import JobSummary
from jenkins_notary.values.jobid import format_job_id, parse_job_id
from tests.contract.jenkins_worlds import FILES

if TYPE_CHECKING:
    from tests.contract.jenkins_worlds import World

BRANCH = "feature%2Fx"
NOTE = (
    b"\x1b[8mha:"
    b"////4M5AMUeOkyVF9FVNBdYCLJlgvXw6gMeBmzElBThfShARAAAAlx+LCAAAAAAAAP9b85"
    b"aBtbiIQTGjNKU4P08vOT+vOD8nVc83PyU1x6OyILUoJzMv2y+/JJUBAhiZGBgqihhk0NSj"
    b"KDWzXb3RdlLBUSYGJk8GtpzUvPSSDB8G5tKinBIGIZ+sxLJE/ZzEvHT94JKizLx0a6BxUm"
    b"jGOUNodHsLgAzWEgZu/dLi1CL9xJTczDwAj6GcLcAAAAA="
    b"\x1b[0m"
)
"""A console note as Jenkins writes it: a link, serialized, packed and signed."""

RAW = b"a\r\nb\xff\xe2\x82\n\rc\n\x1b[31mred\x1b[0m\nlast"
"""Line ends of each kind, no UTF-8, colours, and a last line without an end."""


@pytest.fixture(scope="module")
def pipeline(world: World) -> str:
    """Return a Pipeline job with one build."""
    name = world.add_job(f"team a/{BRANCH}")
    assert world.run(name) == 1
    return name


@pytest.fixture(scope="module")
def freestyle(world: World) -> str:
    """Return a freestyle job with one build."""
    name = world.add_job("free (it's)", freestyle=True)
    assert world.run(name) == 1
    return name


def read_log(client: JenkinsClient, name: str, number: int) -> bytes:
    with client.console(name, number) as stream:
        return stream.read()


def test_the_controller_says_who_it_is(client: JenkinsClient) -> None:
    controller = client.controller()
    asked = client.requests

    assert controller.instance == "ci.example.com"
    assert controller.version.startswith("2.")
    assert len(controller.identity or "") == 64
    assert client.controller() == controller
    assert asked == client.requests == 2


@pytest.mark.parametrize("kind", ["pipeline", "freestyle"])
def test_a_build_has_what_a_record_needs(
    client: JenkinsClient, request: pytest.FixtureRequest, kind: str
) -> None:
    name = request.getfixturevalue(kind)
    build = client.build(name, 1)

    assert build["number"] == 1
    assert build["result"] == "SUCCESS"
    assert (build["building"], build["inProgress"]) == (False, False)
    assert build["timestamp"] > 1_500_000_000_000
    assert {one["relativePath"] for one in build["artifacts"]} == set(FILES)
    assert [one["_class"] for one in build["actions"] if "causes" in one] == [
        "hudson.model.CauseAction"
    ]
    assert parse_job_id(build["url"]).name == name
    assert not {"culprits", "executor", "nextBuild"} & build.keys()


def test_a_build_that_is_not_there_is_not_found(
    client: JenkinsClient, pipeline: str
) -> None:
    for name, number in ((pipeline, 99), (f"{pipeline}/none", 1)):
        with pytest.raises(NotFoundError, match="HTTP 404"):
            client.build(name, number)
        with pytest.raises(NotFoundError, match="HTTP 404"):
            client.console(name, number)


def test_jobs_come_with_their_numbers_one_request_a_folder(
    client: JenkinsClient, pipeline: str, freestyle: str
) -> None:
    root = freestyle.partition("/")[0]
    found = {one.name: one for one in client.jobs(f"{root}/*")}

    assert found[pipeline] == JobSummary(pipeline, 2, 1, 1)
    assert found[freestyle].last_number == 1
    assert client.requests == 2  # The folder and "team a".
    assert list(client.jobs(pipeline)) == [found[pipeline]]
    assert client.requests == 3


def test_a_name_with_quotes_works_as_long_as_a_job_id_may_hold_it(
    client: JenkinsClient, freestyle: str
) -> None:
    assert client.build(freestyle, 1)["fullDisplayName"].endswith("free (it's) #1")
    with pytest.raises(UsageError):
        client.build("say <hi>", 1)


def test_builds_come_once_newest_first_within_the_range(
    world: World, client: JenkinsClient
) -> None:
    name = world.add_job("many", freestyle=True)
    for _ in range(5):
        world.run(name)
    world.delete_build(name, 3)
    found = list(client.builds(name, first=2, last=4))

    assert [one["number"] for one in found] == [4, 2]
    assert client.requests == 1
    assert found[0] == client.build(name, 4)
    assert list(client.jobs(name)) == [JobSummary(name, 6, 1, 5)]


def test_console_text_is_the_raw_log_without_notes(
    world: World, client: JenkinsClient, freestyle: str
) -> None:
    number = world.run(freestyle)
    world.set_log(freestyle, number, b"Started by " + NOTE + b"user\n" + RAW)

    assert read_log(client, freestyle, number) == b"Started by user\n" + RAW


def test_a_pipelines_console_text_leaves_out_an_unended_line(
    world: World, client: JenkinsClient, pipeline: str
) -> None:
    number = world.run(pipeline)
    world.set_log(pipeline, number, RAW)

    assert read_log(client, pipeline, number) == RAW.removesuffix(b"last")


@pytest.mark.parametrize("kind", ["pipeline", "freestyle"])
def test_a_long_log_is_whole(
    world: World,
    client: JenkinsClient,
    request: pytest.FixtureRequest,
    kind: str,
) -> None:
    name = request.getfixturevalue(kind)
    number = world.run(name)
    log = b"".join(b"line %d of many\n" % n for n in range(30_000))
    world.set_log(name, number, log)

    assert read_log(client, name, number) == log


@pytest.mark.parametrize("kind", ["pipeline", "freestyle"])
def test_a_lost_log_is_not_found(
    world: World, client: JenkinsClient, request: pytest.FixtureRequest, kind: str
) -> None:
    name = request.getfixturevalue(kind)
    number = world.run(name)
    world.lose_log(name, number)

    with pytest.raises(NotFoundError, match="nothing is recorded"):
        client.console(name, number)
    with pytest.raises(IntegrityError):
        client.console_part(name, number, 5)


@pytest.mark.parametrize("kind", ["pipeline", "freestyle"])
def test_an_emptied_log_is_an_empty_log(
    world: World, client: JenkinsClient, request: pytest.FixtureRequest, kind: str
) -> None:
    name = request.getfixturevalue(kind)
    number = world.run(name)
    world.set_log(name, number, b"")

    assert read_log(client, name, number) == b""


def test_a_log_that_reads_like_a_lost_one_is_a_log(
    world: World, client: JenkinsClient, freestyle: str
) -> None:
    number = world.run(freestyle)
    text = f"No such file: /var/lib/jenkins/jobs/x/builds/{number}/log".encode()
    world.set_log(freestyle, number, text)

    assert read_log(client, freestyle, number) == text


def test_a_part_of_a_log_has_its_own_form(
    world: World, client: JenkinsClient, freestyle: str
) -> None:
    number = world.run(freestyle)
    world.set_log(freestyle, number, RAW)
    whole = client.console_part(freestyle, number, 0)
    rest = client.console_part(freestyle, number, 3)

    text = b"a\r\nb\xef\xbf\xbd\xef\xbf\xbd\r\n\rc\r\n\x1b[31mred\x1b[0m\r\n"
    assert whole == (text, 0, len(RAW), False)
    assert rest == (text[3:], 3, len(RAW), False)
    assert client.console_part(freestyle, number, len(RAW)).data == b""


def test_a_part_beyond_the_end_means_that_the_log_rolled_over(
    world: World, client: JenkinsClient, freestyle: str
) -> None:
    number = world.run(freestyle)
    world.set_log(freestyle, number, b"short\n")

    with pytest.raises(IntegrityError, match="at least 7 bytes, got one of 6"):
        client.console_part(freestyle, number, 7)


def test_a_running_build_gives_whole_lines_and_more_later(
    world: World, client: JenkinsClient
) -> None:
    name = world.add_job("running", freestyle=True)
    number = world.start(name)
    build = client.build(name, number)
    part = client.console_part(name, number, 0)
    world.stop(name, number)
    rest = client.console_part(name, number, part.next_start)

    assert (build["building"], build["result"]) == (True, None)
    assert part.is_growing
    assert part.data.endswith(b"\r\n")
    assert not rest.is_growing
    log = (part.data + rest.data).replace(b"\r\n", b"\n")
    assert log == read_log(client, name, number)


def test_end_of_a_log_is_found_without_reading_it(
    world: World, client: JenkinsClient, pipeline: str
) -> None:
    number = world.run(pipeline)
    short = client.console_end(pipeline, number)
    # More lines than Jenkins gives at once of a build that runs.
    world.set_log(pipeline, number, b"x" * 60 + b"\n" + b"line\n" * 500_000)
    before = client.requests
    end = client.console_end(pipeline, number)

    assert short > 0
    assert client.console_part(pipeline, number, short).next_start <= end
    assert end == 61 + 5 * 500_000
    assert client.requests - before < 30
    assert client.console_part(pipeline, number, end).data == b""


def test_end_of_the_log_of_a_running_build_is_behind_what_is_there(
    world: World, client: JenkinsClient, pipeline: str
) -> None:
    number = world.start(pipeline)
    end = client.console_end(pipeline, number)
    rest = client.console_part(pipeline, number, end).data
    world.stop(pipeline, number)

    assert end > 0
    assert b"Started by" not in rest
    with pytest.raises(NotFoundError):
        client.console_end(pipeline, 9999)


@pytest.mark.parametrize("kind", ["pipeline", "freestyle"])
def test_artifacts_are_read_byte_for_byte(
    client: JenkinsClient, request: pytest.FixtureRequest, kind: str
) -> None:
    name = request.getfixturevalue(kind)
    for path, content in FILES.items():
        with client.artifact(name, 1, path) as stream:
            assert stream.read() == content
    with pytest.raises(NotFoundError):
        client.artifact(name, 1, "out/none.txt")


def test_stages_are_those_of_a_pipeline(
    client: JenkinsClient, pipeline: str, freestyle: str
) -> None:
    described = client.stages(pipeline, 1)

    assert described is not None
    assert [one["name"] for one in described["stages"]] == ["Build"]
    assert client.stages(freestyle, 1) is None


def test_a_build_without_test_report_has_none(
    client: JenkinsClient, pipeline: str
) -> None:
    assert client.test_report(pipeline, 1) is None


def test_a_wrong_login_is_refused(world: World, pipeline: str) -> None:
    wrong = JenkinsClient(world.access._replace(token="wrong"))
    nobody = JenkinsClient(world.access._replace(user=None, token=None))

    with pytest.raises(PermissionDeniedError, match="HTTP 401"):
        wrong.build(pipeline, 1)
    with pytest.raises(PermissionDeniedError, match="HTTP 403 for nobody"):
        nobody.build(pipeline, 1)


def test_overall_and_job_read_are_enough(
    world: World, pipeline: str, freestyle: str
) -> None:
    reader = world.make_reader(can_read=True)
    if reader is None:
        pytest.skip("this real Jenkins has no matrix authorization")
    client = JenkinsClient(reader)
    root = pipeline.partition("/")[0]

    assert client.controller().identity
    assert {pipeline, freestyle} <= {one.name for one in client.jobs(root)}
    assert [one["number"] for one in client.builds(pipeline, first=1, last=1)] == [1]
    assert client.build(freestyle, 1)["artifacts"]
    assert read_log(client, pipeline, 1)
    assert client.console_part(pipeline, 1, 0).data
    assert client.stages(pipeline, 1) is not None
    with client.artifact(freestyle, 1, "out/page.html") as stream:
        assert stream.read() == FILES["out/page.html"]


def test_without_job_read_jobs_are_left_out_and_not_found(
    world: World, pipeline: str
) -> None:
    reader = world.make_reader(can_read=False)
    if reader is None:
        pytest.skip("this real Jenkins has no matrix authorization")
    client = JenkinsClient(reader)
    seen = {one.name for one in client.jobs("*")}
    with pytest.raises(NotFoundError, match="may not see"):
        client.build(pipeline, 1)
    world.make_reader(can_read=True)

    assert pipeline not in seen


@pytest.mark.parametrize(
    ("path", "status", "kind", "present", "absent"),
    [
        (
            "api/json?tree=nodeName",
            *(200, "application/json;charset=utf-8"),
            *("x-jenkins content-length", "x-instance-identity transfer-encoding"),
        ),
        (
            "login",
            *(200, "text/html;charset=utf-8"),
            *("x-jenkins x-instance-identity set-cookie", ""),
        ),
        (
            "job/none/api/json",
            *(404, "text/html;charset=utf-8"),
            *("x-jenkins x-instance-identity", ""),
        ),
        (
            "FREE/1/consoleText",
            *(200, "text/plain;charset=utf-8"),
            *("content-length", "x-jenkins transfer-encoding x-text-size"),
        ),
        (
            "PIPE/1/consoleText",
            *(200, "text/plain;charset=utf-8"),
            *("transfer-encoding", "x-jenkins content-length x-text-size"),
        ),
        (
            "FREE/1/logText/progressiveText?start=0",
            *(200, "text/plain;charset=utf-8"),
            *("x-text-size content-length", "x-more-data x-jenkins"),
        ),
        (
            "FREE/1/artifact/out/page.html",
            *(200, "text/html;charset=utf-8"),
            *("content-security-policy accept-ranges content-length", "x-jenkins"),
        ),
        (
            "FREE/1/artifact/out/a%20b%25c.txt",
            *(200, "text/plain"),
            *("content-security-policy accept-ranges content-length", "x-jenkins"),
        ),
        (
            "PIPE/1/wfapi/describe",
            *(200, "application/json;charset=utf-8"),
            *("content-length", "x-jenkins"),
        ),
        (
            "FREE/1/wfapi/describe",
            *(404, "text/html;charset=utf-8"),
            *("", "x-jenkins"),
        ),
        (
            "FREE/api/json?tree=a[[",
            *(500, "text/html;charset=utf-8"),
            *("x-jenkins x-instance-identity", ""),
        ),
    ],
)
def test_answers_have_the_status_and_headers_that_the_adapter_goes_by(
    world: World,
    pipeline: str,
    freestyle: str,
    *,
    path: str,
    status: int,
    kind: str,
    present: str,
    absent: str,
) -> None:
    for mark, name in (("PIPE", pipeline), ("FREE", freestyle)):
        segments = (part.replace("%", "%25") for part in name.split("/"))
        path = path.replace(mark, "/".join(f"job/{part}" for part in segments))
    answer = world.ask(path)
    headers = {name.lower() for name in answer.headers}

    assert (answer.status_code, answer.headers["Content-Type"]) == (status, kind)
    assert set(present.split()) <= headers
    assert not set(absent.split()) & headers


def test_who_brings_no_login_gets_a_page_without_identity(world: World) -> None:
    answer = world.ask("api/json", with_login=False)

    assert answer.status_code == 403
    assert "Authentication required" in answer.text
    assert "X-Instance-Identity" not in answer.headers


def test_json_is_cut_and_ordered_as_jenkins_does(world: World, freestyle: str) -> None:
    path = "".join(f"job/{part}/" for part in freestyle.split("/"))
    tree = "allBuilds[result,artifacts[relativePath],number,actions[causes[userId]]]"
    answer = world.ask(f"{path}api/json?tree=name,{tree}{{0,1}},jobs[name]")
    name = freestyle.rpartition("/")[2]
    build = answer.json()["allBuilds"][0]

    assert answer.text.startswith(
        '{"_class":"hudson.model.FreeStyleProject",'
        f'"name":"{name}","allBuilds":[{{"_class":"hudson.model.FreeStyleBuild",'
        '"actions":[{"_class":"hudson.model.CauseAction","causes":[{"_class":"'
    )
    assert list(build) == ["_class", "actions", "artifacts", "number", "result"]
    assert {} in build["actions"]


def test_the_names_that_the_api_gives_make_job_ids(
    client: JenkinsClient, pipeline: str
) -> None:
    root = pipeline.partition("/")[0]
    for job in client.jobs(root):
        number = job.last_number or 1
        assert format_job_id(parse_job_id(f"{job.name}#{number}")).startswith(root)
