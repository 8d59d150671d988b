import pytest


@pytest.fixture
def second(lineside, write_folder) -> str:
    """A use case with v1 live and v2 released."""
    for delay_ms in (0, 0.1):
        folder = write_folder(right=60, wrong=1, delay_ms=delay_ms)
        assert lineside("release", folder).code == 0
    assert lineside("deploy", "post-room", "v1").code == 0
    return "post-room"


def test_a_release_is_sent_up_shown_moved_and_pulled_back(lineside, second: str) -> None:
    nothing = lineside("rollouts", "show", second)
    started = lineside("rollouts", "start", second)  # v2, by the manifest's own steps
    shown = lineside("rollouts", "show", second)
    again = lineside("rollouts", "start", second, "v2")

    assert nothing.code == 2
    assert "No release of `post-room` ever went up by steps" in nothing.err
    assert "✓ post-room: 10 % get v2" in started.out
    assert "Back at once: lineside rollback post-room" in started.err
    assert shown.out.startswith("Hold v2 at 10 %: not enough data, about ")
    assert "next  100 %" in shown.out
    assert "the next look counts at" in shown.err
    assert again.code == 1
    assert "`v2` is on its way up already" in again.err

    assert "v2 is paused, step 1 of 2: 10 %" in lineside("rollouts", "pause", second).out
    assert "v2 is on its way" in lineside("rollouts", "resume", second).out
    assert "step 2 of 2: 100 %" in lineside("rollouts", "promote", second).out
    assert "v2 is at everybody already" in lineside("rollouts", "promote", second).err.replace(
        "`", ""
    )
    assert "v2 is rolled back, ended at 100 %" in lineside("rollouts", "abort", second).out
    ended = lineside("rollouts", "show", second, "--json").data
    assert (ended["rollout"]["status"], ended["rollout"]["ended_by"]) == ("rolled_back", "ann")
    assert ended["verdict"]["sentence"] == "Pulled back by hand"


def test_what_is_typed_goes_before_what_the_manifest_says(lineside, second: str) -> None:
    started = lineside(
        *("rollouts", "start", second, "v2", "--steps", "5,25,100", "--hold", "2h"),
        *("--stop-if", "error_rate > 2%", "--margin", "latency=50%", "--json"),
        *("--audience", "country = CH"),
    )
    plan = started.data["rollout"]["plan"]

    assert plan == {
        "steps": [0.05, 0.25, 1.0],
        "hold": "2h",
        "stop_if": ["error_rate > 2%"],
        "margins": {"error_rate": 0.02, "latency": 0.5, "cost": 0.25},
        "audience": "country = CH",
    }
    lineside("rollback", second)
    assert lineside("rollouts", "show", second, "--json").data["rollout"]["status"] == "rolled_back"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--steps", "50,5"), "expected more than 50 %"),
        (("--steps", "5,50"), "Read `50%` as the last step, expected `100%`"),
        (("--steps", "5,many"), "expected a share above 0 % and up to 100 %"),
        (("--hold", "soon"), "expected a duration"),
        (("--stop-if", "eror_rate > 2%"), "Did you mean `error_rate`?"),
        (("--stop-if", "error_rate 2%"), "read `2%`, expected `>` or `<`"),
        (("--audience", "country CH"), "`audience`: read `country CH`, expected a condition"),
        (("--margin", "latency"), "Not a margin with its share"),
        (("--margin", "latencies=5%"), "Did you mean `latency`?"),
    ],
)
def test_a_plan_that_cannot_be_followed_is_refused(
    lineside, second: str, options: tuple[str, ...], words: str
) -> None:
    refused = lineside("rollouts", "start", second, "v2", *options)

    assert refused.code == 2
    assert words in refused.err.replace("\n", " ")


def test_an_experiment_is_begun_shown_and_ended(lineside, second: str) -> None:
    begun = lineside(
        *("rollouts", "ab", second, "--arm", "now=live:60%", "--arm", "next=v2"),
        *("--metric", "latency", "--users", "500", "--for", "7d"),
    )
    shown = lineside("rollouts", "show", second)
    paused = lineside("rollouts", "pause", second)
    early = lineside("rollouts", "promote", second)
    unknown = lineside("rollouts", "promote", second, "later")

    assert "✓ post-room: 60 % now (v1), 40 % next (v2)" in begun.out
    assert "It ends at 500 users" in begun.err
    assert shown.out.startswith("Not enough data: nobody has called it yet")
    assert "next  v2" in shown.out
    assert "The next look counts at 100 of 500 users" in shown.err
    assert "never goes up by itself" in paused.err.replace("\n", " ")
    assert "No arm of the experiment on `post-room` is surely better" in early.err.replace(
        "\n", " "
    )
    assert "expected one of `now`, `next`" in unknown.err.replace("\n", " ")

    ended = lineside("rollouts", "promote", second, "next")
    assert "the experiment is done; next (v2) was deployed by hand" in ended.out.replace("\n", " ")
    data = lineside("rollouts", "show", second, "--json").data
    assert data["rollout"]["status"] == "done"
    assert [arm["share"] for arm in data["rollout"]["experiment"]["arms"]] == [0.6, 0.4]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--arm", "B"), "Not an arm with its release"),
        (("--users", "3"), "`users`: "),
        (("--smallest", "much"), "`smallest`: read `much`, expected a margin"),
        (("--metric", "helpful"), "how large a difference in `helpful` would matter"),
        ((), "has no `error_rate` of the last week to plan with"),
    ],
)
def test_an_experiment_that_cannot_be_followed_is_refused(
    lineside, second: str, options: tuple[str, ...], words: str
) -> None:
    refused = lineside("rollouts", "ab", second, "v2", *options)

    assert refused.code == 2
    assert words in refused.err.replace("\n", " ")
