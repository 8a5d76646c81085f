"""What does a crontab line mean, and which lines are none?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selector.domain.schedule import WEEKDAYS, cron


@pytest.mark.parametrize(
    ("field", "wanted"),
    [
        *[(str(n), (n % 7,)) for n in range(8)],
        *[(name, (n,)) for n, name in enumerate(WEEKDAYS)],
        ("*", (0, 1, 2, 3, 4, 5, 6)),
        ("1-5", (1, 2, 3, 4, 5)),
        ("mon-fri", (1, 2, 3, 4, 5)),
        ("5-7", (0, 5, 6)),
        ("fri-sun", (0, 5, 6)),
        ("sun-tue", (0, 1, 2)),
        ("0-6", (0, 1, 2, 3, 4, 5, 6)),
        ("1-7", (0, 1, 2, 3, 4, 5, 6)),
        ("*/2", (0, 2, 4, 6)),
        ("1-5/2", (1, 3, 5)),
        ("sat,0", (0, 6)),
        ("SUN", (0,)),
    ],
)
def test_weekdays_are_counted_from_sunday_and_seven_is_sunday_too(field, wanted):
    assert cron(f"0 6 * * {field}").weekdays == wanted


@pytest.mark.parametrize(
    ("line", "name", "wanted"),
    [
        ("*/15 * * * *", "minutes", (0, 15, 30, 45)),
        ("5/20 * * * *", "minutes", (5, 25, 45)),
        ("0 9-17/4 * * *", "hours", (9, 13, 17)),
        ("0 0 1,15,31 * *", "days", (1, 15, 31)),
        ("0 0 * jan,6-7 *", "months", (1, 6, 7)),
        ("@weekly", "weekdays", (0,)),
        ("@daily", "hours", (0,)),
        ("@hourly", "minutes", (0,)),
    ],
)
def test_lists_ranges_steps_names_and_short_forms(line, name, wanted):
    assert getattr(cron(line), name) == wanted


@pytest.mark.parametrize(
    ("line", "either"), [("0 0 13 * 5", True), ("0 0 * * 5", False), ("0 0 13 * *", False), ("0 0 */2 * 5", False)]
)
def test_days_and_weekdays_together_mean_either_as_crontab_has_it(line, either):
    assert cron(line).either is either


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "five fields .* this has 0"),
        ("0 6 * *", "this has 4"),
        ("0 0 6 * * *", "this has 6"),
        ("60 * * * *", "minute: '60' is not 0 to 59"),
        ("* 24 * * *", "hour: '24' is not 0 to 23"),
        ("* * 0 * *", "day: '0' is not 1 to 31"),
        ("* * * 13 *", "month: '13' is not 1 to 12 or jan to dec"),
        ("* * * * 8", "weekday: '8' is not 0 to 7 or sun to sat"),
        ("* * * * mo", "weekday: 'mo'"),
        ("*/0 * * * *", "the step in '\\*/0'"),
        ("*/x * * * *", "the step in"),
        ("5-1 * * * *", "'5-1' runs backwards"),
        ("1,,2 * * * *", "minute: ''"),
        ("-5 * * * *", "minute: ''"),
        ("0 0 30 2 *", "day 30 never comes in month 2"),
        ("0 0 31 4,6,9,11 *", "day 31 never comes"),
        ("@reboot", "this has 1"),
        ("٣ * * * *", "minute: '٣'"),
    ],
)
def test_what_is_no_crontab_line_is_refused_with_the_field(line, said):
    with pytest.raises(ValueError, match=said):
        cron(line)


def test_the_29th_of_february_does_come():
    assert cron("0 0 29 2 *").days == (29,)


@given(st.text(alphabet="0123456789*/-, sunmojaft@", max_size=30))
def test_any_text_is_a_line_or_a_sentence(text):
    try:
        found = cron(text)
    except ValueError:
        return
    assert found.minutes
    assert found.weekdays
    assert set(found.weekdays) <= set(range(7))
