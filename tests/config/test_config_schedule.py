"""How is `schedule` written, and what does it mean?"""

import pytest

from selector.config import load
from selector.domain.schedule import cron
from selector.errors import ConfigurationError


def written(folder, line):
    path = folder / "selector.yaml"
    path.write_text(f"models:\n  churn:\n    metric: f1\n    {line}\n")
    return path


@pytest.mark.parametrize(
    ("line", "times", "zone"),
    [
        ('schedule: "0 6 * * 1-5"', cron("0 6 * * 1-5"), "UTC"),
        ("schedule: 0 6 * * sun", cron("0 6 * * 0"), "UTC"),
        ('schedule: "@daily"', cron("0 0 * * *"), "UTC"),
        ("schedule: 6h", 21_600.0, "UTC"),
        ("schedule: 1h 30m", 5_400.0, "UTC"),
        ("schedule: {when: 6h}", 21_600.0, "UTC"),
        ('schedule: {when: "30 2 * * 7", timezone: Europe/Berlin}', cron("30 2 * * 0"), "Europe/Berlin"),
    ],
)
def test_a_schedule_is_a_text_or_keys(tmp_path, line, times, zone):
    found = load(written(tmp_path, line)).models["churn"].schedule
    assert (found.times, found.timezone) == (times, zone)


def test_without_a_schedule_there_is_none(tmp_path):
    assert load(written(tmp_path, "")).models["churn"].schedule is None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('schedule: "0 6 * * 8"', r"selector.yaml:4:15: models.churn.schedule.*weekday: '8' is not 0 to 7"),
        ("schedule: 0 0 30 2 *", "day 30 never comes"),
        ("schedule: 0 6 * *", "five fields .* this has 4"),
        ("schedule: sometimes", "'sometimes' is neither a cron expression of five fields"),
        ("schedule: 10ms", "'10ms' is shorter than 1s"),
        ("schedule: {when: 6h, timezone: Mars/Phobos}", "'Mars/Phobos': is no time zone"),
        ("schedule: {when: 6h, timezone: ../../etc/passwd}", "is no time zone"),
        ("schedule: {whn: 6h}", "unknown key; did you mean 'when'"),
    ],
)
def test_what_is_no_schedule_is_refused_with_its_line(tmp_path, line, said):
    with pytest.raises(ConfigurationError, match=said):
        load(written(tmp_path, line))
