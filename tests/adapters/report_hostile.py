"""Which foreign texts may try to become more than text, and how are they put everywhere in a report?"""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace

TEXTS = (
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "</script><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</svg><script>alert(1)</script>",
    "</textarea><img src=x onerror=alert(1)>",
    "<img src=x onerror=alert(1)>",
    "<img src='https://evil.example/p.png'>",
    "<image href='https://evil.example/p.svg'/>",
    "<svg onload=alert(1)>",
    "<svg><use href='https://evil.example/x.svg#a'/></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<svg><foreignObject><iframe src=javascript:alert(1)></foreignObject></svg>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data='javascript:alert(1)'></object>",
    "<embed src='//evil.example/x'>",
    "<link rel=stylesheet href='//evil.example/x.css'>",
    "<base href='//evil.example/'>",
    "<meta http-equiv=refresh content='0;url=//evil.example/'>",
    "<form action='//evil.example/'><button>x</button></form>",
    "<a href='javascript:alert(1)'>x</a>",
    "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
    "<details open ontoggle=alert(1)>",
    "<math><mtext></mtext><mglyph><style><img src=x onerror=alert(1)>",
    "<video><source onerror=alert(1)></video>",
    "<body onload=alert(1)>",
    "<!-- comment -->",
    "--><script>alert(1)</script><!--",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?xml version='1.0'?>",
    '" onmouseover="alert(1)',
    "' onmouseover='alert(1)",
    '"><script>alert(1)</script>',
    "'><script>alert(1)</script>",
    "` onmouseover=alert(1)",
    '" style="background:url(//evil.example/x)',
    "x;background:url(//evil.example/x)",
    "expression(alert(1))",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "&quot; onload=&quot;alert(1)",
    "{{ 7 * 7 }}",
    "{% for x in [].__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}",
    "{# comment #}",
    "${7*7}",
    "#{7*7}",
    "%s%s%n",
    "{0.__class__}",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html;base64,PHNjcmlwdD4=",
    "https://evil.example/track?x=1",
    "www.evil.example",
    "[click](javascript:alert(1))",
    "[click][1]\n\n[1]: javascript:alert(1)",
    "![x](https://evil.example/p.png)",
    "<https://evil.example/>",
    "| a | b |\n|---|---|\n| c | d |",
    "a | b || c",
    "`code` and ``more``",
    "```\nfence",
    "~~~\nfence",
    "# heading",
    "## heading ##",
    "===",
    "---",
    "- item",
    "* item",
    "+ item",
    "1. item",
    "1) item",
    "> quote",
    "    indented",
    "**bold** _it_ ~~gone~~",
    "\\| \\` \\\\",
    "line one\nline two\r\n\r\nline three",
    "a\x00b\x07c\x1b[31mred\x1b[0m",
    "\u202egnp.exe\u202c",
    "\u2066\u2067isolate\u2069",
    "\u2028separator\u2029",
    "half \ud800 pair",
    "zero\u200bwidth\ufeff",
    "e" + "\u0301" * 60,
    "مرحبا <b>שלום</b>",
    "x" * 5000,
    "=cmd|' /C calc'!A0",
    "'; DROP TABLE runs; --",
    "../../../etc/passwd",
    "con",
    ": ",
    "a: b: c",
)

KEPT = frozenset({"at", "direction", "holdout"})
"""Fields that are never foreign: a time, one of three words, a digest."""


def poisoned(report, text):
    """Return the report with every foreign-looking text, whatever it says, replaced by this one."""

    def poison(value):
        if is_dataclass(value):
            return replace(
                value, **{f.name: poison(getattr(value, f.name)) for f in fields(value) if f.name not in KEPT}
            )
        if isinstance(value, tuple):
            return tuple(poison(v) for v in value)
        if isinstance(value, str):
            return text if value else value
        if isinstance(value, dict):
            return dict.fromkeys([text], poison(next(iter(value.values())))) if value else value
        return value

    return poison(report)
