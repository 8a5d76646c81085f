"""Somebody outside tells people that the service is dead: once, again after hours, and when it is back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from selector.exchange import Delivery
from selector.workflows.dead_man import AGAIN, tell

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
LOOK = timedelta(minutes=2)


class Channel:
    def __init__(self, name, *, takes=True):
        self.name, self.outcome, self.notices, self._takes = name, "sent", [], takes

    def takes(self, notice):
        return self._takes

    def send(self, notice):
        if self.outcome == "sent":
            self.notices.append(notice)
        return Delivery(self.outcome)


def looks(channels, troubles, outage=None, every=LOOK, start=NOW):
    """Look once for each trouble; return what is remembered at the end."""
    for number, trouble in enumerate(troubles):
        outage = tell(trouble, outage, channels, start + number * every, where="selector.yaml on vm")
    return outage


def titles(channel):
    return [notice.title.split(":")[0] for notice in channel.notices]


def test_a_service_that_lives_is_no_news():
    mail = Channel("mail")
    assert looks([mail], [None] * 5) is None
    assert mail.notices == []


def test_an_outage_is_told_once_and_its_end_once():
    mail = Channel("mail")
    assert looks([mail], ["dead"] * 50 + [None] * 3) is None
    assert titles(mail) == ["mlflow-selector does not work", "mlflow-selector works again"]
    assert "dead" in mail.notices[0].body
    assert "2026-01-05 12:00 UTC" in mail.notices[1].body
    assert "selector.yaml on vm" in mail.notices[0].title


def test_people_are_told_again_while_it_lasts_each_time_under_a_new_key():
    mail = Channel("mail")
    looks([mail], ["dead"] * 5, every=AGAIN)
    assert len(mail.notices) == 5
    assert len({notice.key for notice in mail.notices}) == 5


def test_a_channel_that_is_away_is_tried_again_and_the_others_are_not_told_twice():
    mail, chat = Channel("mail"), Channel("chat")
    mail.outcome = "later"
    outage = looks([mail, chat], ["dead"] * 3)
    mail.outcome = "sent"
    looks([mail, chat], ["dead"] * 3, outage, start=NOW + 3 * LOOK)
    assert (len(mail.notices), len(chat.notices)) == (1, 1)
    assert mail.notices[0].key == chat.notices[0].key


def test_the_good_news_reach_who_was_worried_although_the_channel_was_away_for_a_moment():
    mail, chat = Channel("mail"), Channel("chat")
    chat.outcome = "later"
    outage = looks([mail, chat], ["dead"])
    mail.outcome = "later"
    outage = looks([mail, chat], [None], outage)
    assert outage is not None
    mail.outcome = chat.outcome = "sent"
    assert looks([mail, chat], [None], outage) is None
    assert len(mail.notices) == 2
    assert chat.notices == [], "who was not worried need not be calmed"


def test_a_channel_that_refuses_is_left_alone():
    mail = Channel("mail")
    mail.outcome = "refused"
    outage = looks([mail], ["dead"])
    mail.outcome = "sent"
    looks([mail], ["dead"] * 3, outage)
    assert mail.notices == []


def test_a_channel_for_other_news_is_not_told():
    mail = Channel("mail", takes=False)
    looks([mail], ["dead", None])
    assert mail.notices == []


def test_a_clock_that_was_set_back_silences_nobody():
    mail = Channel("mail")
    outage = looks([mail], ["dead"], start=NOW + timedelta(days=900))
    looks([mail], ["dead"], outage)
    assert len(mail.notices) == 2
