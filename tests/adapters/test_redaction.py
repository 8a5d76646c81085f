"""Does no secret get through, and nothing that steers a terminal, while ordinary text stays as it is?"""

from __future__ import annotations

import base64
import html
import json
import unicodedata
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selector.redaction import printable, redact

SECRET = 'hunter2/"ü&<+ =% \\ä'
PLAIN = "correcthorsebatterystaple"


@pytest.mark.parametrize(
    "uri",
    [
        "http://alice:hunter2@host:5000/api",
        "postgresql://alice:hunter2@host/db",
        "postgresql+psycopg://alice:hun/ter2@host/db",
        "postgresql://alice:hunter2?x@host/db",
        "postgresql://alice:hunter2#x@host/db",
        "https://hunter2@host/path",
        "https://alice:hunter2@x@host/path",
        "https://:hunter2@host/path",
        "HTTPS://ALICE:hunter2@HOST/",
        "s3://AKIA:hunter2@bucket/key",
        "https://host/path?token=hunter2",
        "https://host/path?a=1&api_key=hunter2&b=2",
        "https://host/path?a=1&X-Amz-Signature=hunter2",
        "https://host/path?X-Amz-Security-Token=hunter2#part",
        "https://host/path?sig=hunter2",
        "https://host/path?key=hunter2",
        "https://host/?ACCESS_TOKEN=hunter2",
        "abfss://c@account/?AccountKey=hunter2",
        "host=h user=u password=hunter2 dbname=d",
        'curl -H "Authorization: Bearer hunter2"',
        "sent bearer hunter2.hunter2.hunter2",
        "{'Authorization': 'Basic hunter2'}",
        "Authorization: Basic aHVudGVyMg==hunter2",
        '{"password": "hunter2", "a": 1}',
        "{'client_secret': 'hunter2'}",
        "http://a:b@h,http://c:hunter2@h2;http://d:hunter2@h3?next=http://e:hunter2@h4",
        "(could not connect to http://a:hunter2@h, http://b:hunter2@h)",
    ],
)
def test_credentials_in_addresses_and_fields_are_hidden(uri):
    assert "hunter2" not in redact(f"cannot reach <{uri}>: refused")
    assert "aHVudGVyMg" not in redact(uri)


@pytest.mark.parametrize(
    "text",
    [
        "http://localhost:5000",
        "http://[::1]:5000/a@b",
        "models:/churn@champion",
        "models:/churn@champion is version 3",
        "http://host:5000/#/models/churn@champion",
        "sqlite:////var/lib/state.db",
        "s3://bucket/key=value/model.pkl",
        "runs:/0123/model",
        "the key=value pairs, 12:30@noon, mail to ann@example.org",
        "Basic understanding of bearer instruments, key=value, pass=",
        "f1 0.81 > 0.79, token bucket, 100 % of password policies",
        "",
        "ä 漢字 🙂",
    ],
)
def test_ordinary_text_stays_as_it_is(text):
    assert redact(text) == text
    assert printable(text) == text


def test_what_remains_of_an_address_still_says_where_it_points():
    assert redact("postgresql://ann:pw@db.example:5432/state?sslmode=require") == (
        "postgresql://***@db.example:5432/state?sslmode=require"
    )
    assert redact("http://h/p?a=1&token=x&b=2") == "http://h/p?a=1&token=***&b=2"


ENCODINGS = {
    "as it is": lambda s: s,
    "percent": lambda s: quote(s, safe=""),
    "percent with slashes": quote,
    "percent in lower case": lambda s: "".join(f"%{b:02x}" for b in s.encode()),
    "plus": quote_plus,
    "percent twice": lambda s: quote(quote(s, safe=""), safe=""),
    "base64": lambda s: base64.b64encode(s.encode()).decode(),
    "base64 for URLs": lambda s: base64.urlsafe_b64encode(s.encode()).decode(),
    "base64 with a user": lambda s: base64.b64encode(b"alice:" + s.encode()).decode(),
    "base64 with a longer user": lambda s: base64.b64encode(b"alice2:" + s.encode() + b"!").decode(),
    "base32": lambda s: base64.b32encode(s.encode()).decode(),
    "hex": lambda s: s.encode().hex(),
    "HEX": lambda s: s.encode().hex().upper(),
    "JSON": json.dumps,
    "JSON with umlauts": lambda s: json.dumps(s, ensure_ascii=False),
    "JSON in JSON": lambda s: json.dumps(json.dumps(s)),
    "repr": repr,
    "HTML": html.escape,
    "Python escapes": lambda s: s.encode("unicode_escape").decode(),
    "backwards": lambda s: s[::-1],
}


@pytest.mark.parametrize("name", ENCODINGS)
@pytest.mark.parametrize("secret", [SECRET, PLAIN])
def test_a_known_secret_is_hidden_in_every_encoding(name, secret):
    encoded = ENCODINGS[name](secret)
    cleaned = redact(f"before {encoded} after", [secret, "another secret"])
    core = encoded.strip("\"'")
    assert core not in cleaned
    assert core[3:-5] not in cleaned
    assert cleaned.startswith("before ")
    assert cleaned.endswith(" after")


@given(st.text(min_size=4, max_size=40).filter(lambda s: s.strip() and "*" not in s), st.text(max_size=20))
def test_no_secret_of_four_characters_or_more_survives(secret, around):
    assert secret not in redact(around + secret + around, [secret])


def test_short_secrets_are_hidden_only_as_whole_words_and_blank_ones_never():
    assert redact("pin 123, run 1234", ["123"]) == "pin ***, run 1234"
    assert redact("a b", ["", " "]) == "a b"


def test_a_secret_that_contains_another_is_hidden_whole():
    assert redact("xx secretsecret yy", ["secret", "secretsecret"]) == "xx *** yy"


@given(st.text())
def test_printable_text_is_one_line_that_steers_nothing_and_can_be_written(text):
    shown = printable(text)
    shown.encode("utf-8")
    assert shown.splitlines() in ([], [shown])
    assert not any(unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} for c in shown)
    assert not set(shown) & set("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
    assert printable(shown) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\r\n\tc", "a b c"),
        ("\x1b[31mred\x1b[0m", "[31mred[0m"),
        ("\x9b31mred", "31mred"),
        ("\x1b]0;title\x07text", "]0;titletext"),
        ("user\u202etxt.exe", "usertxt.exe"),
        ("a\u2028b\x85c", "a b c"),
        ("file\udcff", "file\ufffd"),
        ("nul\x00l", "null"),
    ],
)
def test_control_characters_are_taken_out(text, shown):
    assert printable(text) == shown


def test_long_hostile_text_is_redacted_at_once():
    for text in (
        "a://" * 50_000,
        "token" * 50_000,
        "?k=" * 50_000,
        "x" * 300_000,
        "a:" * 100_000 + "@",
        '"password"' * 30_000,
    ):
        assert len(redact(text)) <= len(text) + 400_000
        assert printable(text)
