from collections.abc import Callable
from pathlib import Path

import pytest

from lineside.usecases import check_folder

Make = Callable[..., Path]
MODEL = "model: scripted:answers.jsonl"


@pytest.mark.parametrize(
    "option",
    [
        "api_key: abc",
        "apiKey: abc",
        "token: abc",
        "client_secret: abc",
        "headers: {Authorization: Bearer sk-abcdefghijklmnop}",
        "base_url: http://host/v1?k=sk-abcdefghijklmnop",
    ],
)
def test_a_secret_in_the_options_is_refused_and_never_shown(make: Make, option: str) -> None:
    folder = make((MODEL, f"{MODEL}\n  options:\n    {option}"))

    problems = check_folder(folder)

    assert [(p.line, p.code) for p in problems] == [(15, "secret_in_manifest")]
    assert "`api_key_env: NAME`" in str(problems[0].hint)
    assert "abc" not in problems[0].text


def test_the_name_of_an_environment_variable_and_a_token_limit_are_no_secrets(make: Make) -> None:
    options = "options: {api_key_env: MY_KEY, max_tokens: 200, base_url: http://127.0.0.1:9/v1}"
    folder = make((MODEL, f"model: openai:small\n  {options}"))

    assert check_folder(folder) == []


@pytest.mark.parametrize(
    ("model", "read", "hint"),
    [
        ("embeded:classifier", "`embeded:classifier`", "Did you mean `embedded:classifier`?"),
        ("scripted", "`scripted`", "Write provider, colon and model"),
        ("scripted:answer.jsonl", "`scripted:answer.jsonl`", "not in the folder"),
    ],
)
def test_a_model_that_cannot_be_set_up_is_a_problem_on_its_line(
    make: Make, model: str, read: str, hint: str
) -> None:
    [problem] = check_folder(make((MODEL, f"model: {model}")))

    assert (problem.line, problem.read) == (13, read)
    assert hint in str(problem.hint)


def test_a_broken_answer_file_is_named_with_its_line(make: Make) -> None:
    folder = make()
    (folder / "answers.jsonl").write_text('{"when": {"default": true}, "output": {"topic": "x"}}\n')

    [problem] = check_folder(folder)

    assert (problem.line, problem.code) == (13, "bad_model_setup")
    assert "`answers.jsonl`, line 1" in str(problem.hint)


@pytest.mark.parametrize(
    ("knob", "read", "hint"),
    [
        (
            "{name: a, kind: choice, of: [act, suggest], default: sugest}",
            "`sugest` as `default`",
            "Did you mean `suggest`?",
        ),
        ("{name: a, kind: choice, default: act}", "a `choice` without `of`", "Add `of:"),
        ("{name: a, kind: number, default: 1, min: 0}", "a `number` without `max`", "Add `max"),
        ("{name: a, kind: number, min: 0, max: 1, default: 2}", "`2` as `default`", "the range"),
        ("{name: a, kind: number, min: 1, max: 0, default: 1}", "`min` 1 and `max` 0", "Swap"),
        ("{name: a, kind: boolean, default: 'true'}", "`true`", "without quotes"),
        ("{name: a, kind: nubmer, min: 0, max: 1, default: 1}", "`nubmer`", "`number`"),
    ],
)
def test_a_knob_outside_its_own_range_is_refused(
    make: Make, knob: str, read: str, hint: str
) -> None:
    [problem] = check_folder(make(add=f"knobs:\n  - {knob}\n"))

    assert (problem.line, problem.read) == (19, read)
    assert hint in str(problem.hint)


def test_two_knobs_of_one_name_show_the_first_line(make: Make) -> None:
    knob = "  - {name: a, kind: boolean, default: true}\n"

    [problem] = check_folder(make(add=f"knobs:\n{knob}{knob}"))

    assert problem.text == (
        "usecase.yaml:20: read `a` a second time (first on line 19), expected each knob once"
    )


def test_a_guard_that_nobody_offers_is_refused_with_the_known_ones(make: Make) -> None:
    [problem] = check_folder(make(add="guards:\n  output: [match_schema]\n"))

    assert problem.text.startswith(
        "usecase.yaml:19: read `match_schema`, expected a guard that is installed: `mask_pii`, "
    )
    assert problem.hint == "Did you mean `matches_schema`?"


def test_a_rule_on_a_score_that_is_not_measured_is_refused(make: Make) -> None:
    [problem] = check_folder(make(("accuracy >= 0.85", "p95(latency) <= 800")))

    assert problem.line == 17
    assert "expected a score that is measured: `accuracy`, `latency_ms`, `cost_usd`" in problem.text
    assert problem.hint == "Did you mean `latency_ms`?"


def test_a_share_above_one_probably_lacks_its_percent_sign(make: Make) -> None:
    [problem] = check_folder(make(("accuracy >= 0.85", "accuracy >= 85")))

    assert (problem.line, problem.hint) == (17, "Did you mean `85%`?")


def test_a_bad_rule_shows_its_line(make: Make) -> None:
    [problem] = check_folder(make(("accuracy >= 0.85", "accuracy > 0.85")))

    assert problem.text == "usecase.yaml:17: read `>`, expected `>=` or `<=`"
    assert str(problem.hint).startswith("Did you mean `>=`?")


def test_rollout_steps_must_rise(make: Make) -> None:
    [problem] = check_folder(make(add="rollout:\n  steps: [50%, 5%]\n"))

    assert (problem.line, problem.read) == (19, "`5%`")


def test_the_last_step_of_a_rollout_is_everybody(make: Make) -> None:
    [problem] = check_folder(make(add="rollout:\n  steps: [5%, 50%]\n"))

    assert (problem.line, problem.read) == (19, "`50%` as the last step")


@pytest.mark.parametrize(
    ("plan", "read", "hint"),
    [
        ("stop_if: [eror_rate > 2%]", "`eror_rate`", "Did you mean `error_rate`?"),
        ("stop_if: [accurcy < 0.8]", "`accurcy`", "Did you mean `accuracy`?"),
        ("stop_if: [error_rate > 2]", "`error_rate > 2`", "Did you mean `error_rate > 2%`?"),
        ("stop_if: [error_rate < 2%]", "`error_rate < 2%`", "Write `error_rate > 0.02`"),
        ("margins: {latencies: 20%}", "`latencies`", "Did you mean `latency`?"),
        ("margins: {polite: 0.1}", "`polite`", "Name a score in `stop_if` first."),
    ],
)
def test_what_a_rollout_is_to_watch_is_read_with_its_line(
    make: Make, plan: str, read: str, hint: str
) -> None:
    [problem] = check_folder(make(add=f"rollout:\n  {plan}\n"))

    assert problem.line == 19
    assert problem.read.startswith(read)
    assert str(problem.hint).startswith(hint)


def test_a_rollout_may_watch_a_score_that_only_live_calls_have(make: Make) -> None:
    plan = "rollout:\n  stop_if: [solved < 0.7]\n  margins: {solved: 0.05}\n"
    assert check_folder(make(add=plan)) == []


@pytest.mark.parametrize("step", ["5", "0%", "120%", "half"])
def test_a_share_of_traffic_is_written_with_a_percent_sign(make: Make, step: str) -> None:
    [problem] = check_folder(make(add=f"rollout:\n  steps: [{step}]\n"))

    assert (problem.line, problem.hint) == (19, "Write it as `25%`.")


def test_an_agent_without_a_goal_and_a_predictor_with_tools_are_refused(make: Make) -> None:
    [agent] = check_folder(make(("kind: predict", "kind: agent")))
    [predictor] = check_folder(make(("kind: predict", "kind: predict\n  tools: [find]")))

    assert (agent.line, agent.read) == (10, "`kind: agent` without `goal`")
    assert (predictor.line, predictor.read) == (11, "`tools` in an app of the kind `predict`")
