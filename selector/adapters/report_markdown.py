"""How does a report look as Markdown: the page's content as tables and lists, without a single HTML tag."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from selector.adapters.report_html import BETTER, FURTHER, MOST_CLASSES, NOT_SHOWN, further_lines, mistakes
from selector.adapters.report_text import visible
from selector.domain.report import Report
from selector.domain.report_parts import (
    ChampionLine,
    Data,
    Errors,
    ErrorsOf,
    ProductionLine,
    RankedCandidate,
    Subject,
)
from selector.domain.report_words import chance, figure, signed, span

MOST_DAYS = 14
"""Batches of production that the table holds; the picture on the page holds all."""

_SPECIAL = re.compile(r"([\\`*_{}\[\]|~$#!])")
_BLOCK_START = re.compile(r"^(\d*)([-+=.)])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_SCHEME = re.compile(r"(?i)(https?|ftp|mailto|javascript|data|vbscript|file|xmpp):|www\.")


def render_markdown(report: Report) -> str:
    """Return the report as GitHub-flavoured Markdown; its first line is the verdict."""
    blocks = [
        escaped(report.headline),
        escaped(report.reason),
        *(f"**{escaped(report.warning)}**" for _ in range(bool(report.warning))),
        *(f"**Held for a person.** {escaped(h.text)} ({escaped(h.code)})" for h in report.held),
        *(["**To answer:**", "\n".join(_code(c) for c in report.answer)] if report.answer else []),
        *(escaped(n) for n in report.notes),
        _facts(report),
        *_change(report),
        *_ranking(report),
        *_further(report),
        "## How luck was accounted for",
        escaped(report.luck.text),
        *(f"About {n:,} labelled rows in all would settle a lead of this size." for n in [report.rows_needed] if n),
        *(_gates(report.subject) if report.subject else []),
        *_others(report.ranking),
        *(_errors(report.errors) if report.errors else []),
        *_data(report),
        *(_production(report.production) if report.production else []),
        "## Policy",
        _list(report.policy.words),
        "## What was done",
        _list(report.done) if report.done else "Nothing was changed.",
        *(["## Undo", _code(report.undo)] if report.undo else []),
        " · ".join(f"{escaped(k)} {escaped(v)}" for k, v in report.environment.items()),
    ]
    return "\n\n".join(b for b in blocks if b) + "\n"


def escaped(text: str) -> str:
    """Return foreign text as Markdown that shows it as it is, and does nothing else.

    Addresses are shown too, but a zero-width joiner before the colon keeps them from becoming links.
    """
    clean = visible(text).strip()
    quiet = _SCHEME.sub(lambda m: m.group()[:-1] + "\u200d" + m.group()[-1], clean)
    marked = _SPECIAL.sub(r"\\\1", "".join(_ENTITIES.get(c, c) for c in quiet))
    return _BLOCK_START.sub(lambda m: f"{m.group(1)}\\{m.group(2)}", marked)


def _production(line: ProductionLine) -> list[str]:
    newest = line.points[-MOST_DAYS:]
    rows = [[p.at[:16].replace("T", " "), figure(p.value), figure(p.floor), f"{p.rows:,}", p.health] for p in newest]
    table = _table(["Batch (UTC)", escaped(line.metric), "Floor", "Rows", "Health"], rows, (1, 2, 3))
    beside = [[_who(b.name, b.version), f"{b.rows:,}", escaped(b.words)] for b in line.beside]
    challengers = [_table(["Challenger on the same rows", "Rows", "Finding"], beside, (1,))] if beside else []
    return [f"## Production: {line.health}", escaped(line.rule), table, *challengers]


def _code(text: str) -> str:
    """Return an indented code block, which no text on one line can leave."""
    return f"    {visible(text)}"


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"- {escaped(i)}" for i in items)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    rule = ["---:" if i in numbers else "---" for i in range(len(head))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def _who(name: str, version: int | None) -> str:
    if version is None or name == f"version {version}":
        return escaped(name)
    return f"{escaped(name)} (v{version})"


def _facts(report: Report) -> str:
    facts = {
        "Date": f"{report.at[:10]} {report.at[11:16]} UTC",
        "Decision": report.decision,
        "Reason": report.code,
        "Proof": report.proof,
        "Policy": report.policy.digest,
        "By": report.actor,
    }
    return " · ".join(f"{k}: {escaped(v)}" for k, v in facts.items()) + (" · dry run" if report.dry_run else "")


def _change(report: Report) -> list[str]:
    if report.before is None and report.after is None:
        return []
    label = escaped(report.metric.label)
    after = "after, if promoted" if report.dry_run and report.verdict == "promoted" else "after"
    rows = [_champion("before", report.before), _champion(after, report.after)]
    table = _table(["Champion", "Name", "Version", "Run", label, "95 % interval"], rows, (2, 4))
    return ["## Champion", table, f"**{escaped(report.expectation)}**" if report.expectation else ""]


def _champion(when: str, line: ChampionLine | None) -> list[str]:
    if line is None:
        return [when, "nobody", "", "", "", ""]
    version = "" if line.version is None else str(line.version)
    interval = span(line.low, line.high)
    return [when, escaped(line.name), version, escaped(line.run_id or ""), figure(line.score), interval]


def _ranking(report: Report) -> list[str]:
    if not report.ranking:
        return []
    head = ["Place", "Candidate", escaped(report.metric.label), "95 % interval", "Lead over champion", "95 % interval"]
    head += ["p, adjusted", "Remarks"]
    return ["## Ranking", _table(head, (_row(c) for c in report.ranking), (0, 2, 4, 6))]


def _further(report: Report) -> list[str]:
    """Return the further metrics of the best candidates; they decide nothing."""
    shown, more = further_lines(report)
    if not shown:
        return []
    head = ["Candidate", *(escaped(label) for label in report.metrics.values())]
    rows = [[_who(c.name, c.version), *(figure(c.metrics.get(key)) for key in report.metrics)] for c in shown]
    rest = f"{FURTHER} {NOT_SHOWN.format(more)}" if more else FURTHER
    return ["## Further metrics", _table(head, rows, range(1, len(head))), rest]


def _row(c: RankedCandidate) -> list[str]:
    marks = [w for w, is_so in {"winner": c.winner, "champion": c.champion, "held": c.held}.items() if is_so]
    marks += ["shortlisted"] if c.shortlisted else []
    marks += [escaped(r.code) for r in c.reasons]
    marks += [f"competes as one with {', '.join(escaped(n) for n in c.copies)}"] if c.copies else []
    marks += [escaped(n) for n in c.notes]
    return [
        str(c.place),
        _who(c.name, c.version),
        figure(c.score),
        span(c.low, c.high),
        signed(c.lead) if c.lead is not None else "",
        span(c.lead_low, c.lead_high, sign=True),
        escaped(chance(c.adjusted_p)) if c.adjusted_p is not None else "",
        "; ".join(marks),
    ]


def _gates(subject: Subject) -> list[str]:
    rows = [
        [
            escaped(g.gate) + (f": {escaped(g.detail)}" if g.detail else ""),
            figure(g.value),
            figure(g.bound),
            signed(g.margin),
            escaped(g.verdict) + (", only observed" if g.observe else ""),
        ]
        for g in subject.gates
    ]
    table = _table(["Gate", "Found", "Asked", "Margin", "Verdict"], rows, (1, 2, 3))
    return [f"## Gates of {_who(subject.name, subject.version)}", table]


def _others(ranking: Sequence[RankedCandidate]) -> list[str]:
    lines = [f"- {_who(c.name, c.version)}: {escaped(c.why.text)} ({escaped(c.why.code)})" for c in ranking if c.why]
    return ["## Why not the others", "\n".join(lines)] if lines else []


def _errors(errors: Errors) -> list[str]:
    blocks = ["## Right and wrong answers"]
    if errors.fixed is not None and errors.broken is not None:
        blocks.append(
            f"Against the champion, {errors.fixed:,} rows are answered right that were wrong,"
            f" and {errors.broken:,} wrong that were right."
        )
    for model in errors.models:
        if model.confusion:
            blocks += [f"{escaped(model.role.capitalize())}: {_who(model.name, model.version)}", _matrix(errors, model)]
    drawn = [m for m in errors.models if m.roc]
    if drawn:
        rows = [
            [f"{escaped(m.role)}: {_who(m.name, m.version)}", figure(m.average_precision), figure(m.roc_auc)]
            for m in drawn
        ]
        blocks.append(_table(["Curves of", "Average precision", "ROC AUC"], rows, (1, 2)))
    return blocks


def _matrix(errors: Errors, model: ErrorsOf) -> str:
    classes = [escaped(c) for c in errors.classes]
    if len(classes) > MOST_CLASSES:
        rows = [[classes[i], classes[j], f"{n:,}"] for i, j, n in mistakes(model.confusion)]
        return _table(["is", "says", "rows"], rows, (2,))
    counts = [[f"is {c}", *(f"{n:,}" for n in row)] for c, row in zip(classes, model.confusion, strict=True)]
    return _table(["", *(f"says {c}" for c in classes)], counts, range(1, len(classes) + 1))


def _data(report: Report) -> list[str]:
    metric = report.metric
    lines = [f"- Metric: {escaped(metric.label)}; {BETTER[metric.direction]}"]
    lines += _holdout(report.data) if report.data else ["- Rows: none shared; only logged values were compared"]
    if report.confinement:
        lines.append(f"- Confinement: {escaped(report.confinement)}")
    return ["## Data", "\n".join(lines)]


def _holdout(data: Data) -> list[str]:
    groups = f", in {data.groups:,} groups" if data.groups else ""
    lines = [
        f"- Holdout: {escaped(data.holdout)}",
        f"- Rows: {data.rows:,}{', weighted' if data.weighted else ''}{groups}",
    ]
    if data.target:
        lines.append(f"- Target: {escaped(data.target)}")
    if data.positive is not None:
        lines.append(f"- Positive class: {escaped(data.positive)}")
    if data.classes:
        lines.append("- Classes: " + ", ".join(f"{escaped(c.name)} {c.rows:,}" for c in data.classes))
    elif data.mean is not None:
        lines.append(f"- Target values: {span(data.smallest, data.largest)}, mean {figure(data.mean)}")
    if data.slices:
        lines.append("- Slices: " + ", ".join(escaped(s) for s in data.slices))
    return lines
