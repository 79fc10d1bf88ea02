"""`thermly route`: which model would answer; `route report`, how that went; `route train`, what ratings teach."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from thermly import clock
from thermly.amounts import usd
from thermly.cli.common import account as named_account
from thermly.cli.common import as_json, columns, database
from thermly.cli.inspecting import route as ask
from thermly.settings import Settings, read

if TYPE_CHECKING:
    from thermly.catalog import Catalog
    from thermly.ratings.hindsight import Course, Hindsight, Ratings
    from thermly.ratings.learning import Lesson
    from thermly.store.db import Database

DAY_MS = 86_400_000
SHOWN_SCORES = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7)
Row = list[str]


class Asking(click.Group):
    """`thermly route "…"` asks, as long as what follows is not the name of a command; `--` before it says so."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["ask", *args]
        return super().parse_args(ctx, args)


@click.group("route", cls=Asking)
def route_group() -> None:
    """Which model would answer, how that went, and what ratings teach.

    `thermly route "…"` stands for `thermly route ask "…"`.
    """


route_group.add_command(ask)


# ---- report


@route_group.command()
@click.option("--days", type=click.IntRange(1, 3660), default=30, show_default=True)
@click.option("--account", "account_name", metavar="NAME", help="Only this account's requests.")
@as_json
def report(days: int, account_name: str | None, as_json: bool) -> None:
    """Where the router was wrong, what it saved, and what other quality targets would have cost."""
    import datetime
    import json

    from thermly.ratings import hindsight, learning
    from thermly.store import feedback

    settings = read()
    base = database(settings)
    whose = None
    if account_name is not None:
        with base.each() as tx:
            whose = named_account(tx, account_name).id
    rows = feedback.served(base, clock.now_ms() - days * DAY_MS, whose)
    catalog = _catalog(settings, base)
    learned, quality = learning.recalibration(settings), settings.routing_quality
    found = hindsight.look_back(rows, catalog, learned, quality, datetime.date.today())
    if as_json:
        click.echo(json.dumps(_document(found, quality), indent=1))
    else:
        click.echo("\n".join(_pages(found, days, quality)))


def _catalog(settings: Settings, base: "Database") -> "Catalog":
    from thermly.models import configured
    from thermly.models.catalog_changes import CatalogChanges

    return configured.routable(CatalogChanges(settings, base).catalog)[0]


def _document(found: "Hindsight", quality: float) -> dict[str, Any]:
    return {
        "requests": found.requests,
        "cache_hits": found.cache_hits,
        "failures": found.failures,
        "spent_usd": usd(found.spent_nanousd),
        "best_usd": usd(found.baseline_nanousd),
        "saved_usd": usd(found.baseline_nanousd - found.spent_nanousd),
        "ratings": _rated(found.ratings),
        "enough_ratings": not _little(found),
        "levels": [
            {"level": level, "tier": tier, "answers": cell.answers,
             "mean_score": round(cell.expected / cell.scored, 3) if cell.scored else None, **_rated(cell.ratings)}
            for (level, tier), cell in sorted(found.cells.items())
        ],
        "models": [
            {"model": name, "tier": model.tier, "asked": model.asked, "escalated": model.escalated,
             "failed": model.failed, **_rated(model.ratings)}
            for name, model in sorted(found.models.items())
        ],
        "targets": [
            {"quality": course.quality, "is_set": course.quality == quality, **course.requests,
             "cost_usd": usd(course.cost_nanousd),
             "expected_failures": round(course.fails, 3)}
            for course in found.courses
        ],
    }  # fmt: skip


def _rated(ratings: "Ratings") -> dict[str, int]:
    return {"rated": ratings.count, "good": ratings.good, "bad": ratings.bad}


def _little(found: "Hindsight") -> bool:
    from thermly.ratings.hindsight import LITTLE_FEEDBACK

    return found.ratings.count < LITTLE_FEEDBACK


def _pages(found: "Hindsight", days: int, quality: float) -> Iterator[str]:
    if not found.requests:
        yield f"No requests to auto, fast, balanced or best in the last {days} days."
        return
    saved = found.baseline_nanousd - found.spent_nanousd
    yield (
        f"{found.requests:,} requests to auto, fast, balanced and best in the last {days} days: "
        f"{found.cache_hits:,} from the cache, {found.failures:,} failed."
    )
    yield (
        f"Spent ${usd(found.spent_nanousd)}; the first best model would have cost ${usd(found.baseline_nanousd)}: "
        f"{'saved' if saved >= 0 else 'lost'} ${usd(abs(saved))} ({_share(abs(saved), found.baseline_nanousd)})."
    )
    yield from ("", *_verdict(found))
    yield from ("", "By level and tier", _levels(found))
    if found.models:
        yield from ("", "By model", _models(found))
    if found.courses[0].requests and sum(found.courses[0].requests.values()):
        yield from ("", "The answers to auto, by other quality targets", _courses(found.courses, quality))
        yield (
            "Costs are those of the cheapest model of each tier for the tokens as they were; expected failures are "
            "what the scores say, and for balanced and best models what public data adds."
        )


def _verdict(found: "Hindsight") -> Iterator[str]:
    """What the ratings say, in sentences."""
    if _little(found):
        yield (
            f"{found.ratings.count} ratings: too few to say where the router is wrong. Clients rate answers with "
            "POST /v1/feedback."
        )
    fast, best = found.of_tier("fast"), found.of_tier("best")
    if fast.scored:
        yield (
            f"Of {fast.count} rated answers of fast models {fast.bad} were bad ({_share(fast.bad, fast.count)}); "
            f"by the scores {_share(fast.expected, fast.scored)} were to be expected."
        )
    if best.scored:
        yield (
            f"Of {best.count} rated answers of best models {best.good} were good; {best.likely} of these a fast "
            "model would more likely than not have done as well."
        )
    escalated = sum(model.escalated for model in found.models.values())
    if escalated:
        yield f"Answers that were visibly not good enough, so that a better model was asked: {escalated}."


def _levels(found: "Hindsight") -> str:
    table: list[Row] = [["level", "tier", "answers", "mean score", "rated", "bad", "good"]]
    for (level, tier), cell in sorted(found.cells.items()):
        mean = f"{cell.expected / cell.scored:.2f}" if cell.scored else ""
        table.append([str(level), tier, str(cell.answers), mean, *_shares(cell.ratings)])
    return columns(table)


def _models(found: "Hindsight") -> str:
    table: list[Row] = [["model", "tier", "asked first", "escalated", "failed", "rated", "bad", "good"]]
    for name, model in sorted(found.models.items(), key=lambda pair: -pair[1].asked):
        escalated = f"{model.escalated} ({_share(model.escalated, model.asked)})" if model.escalated else "0"
        table.append([name, model.tier, str(model.asked), escalated, str(model.failed), *_shares(model.ratings)])
    return columns(table)


def _courses(courses: "list[Course]", quality: float) -> str:
    table: list[Row] = [["quality", "fast", "balanced", "best", "cost", "expected failures"]]
    for course in courses:
        total = sum(course.requests.values())
        name = "as it went" if course.quality is None else f"{course.quality:g}"
        name += ", as set" if course.quality == quality else ""
        shares = (_share(count, total) for count in course.requests.values())
        fails = f"{course.fails:.1f} ({_share(course.fails, total)})"
        table.append([name, *shares, f"${usd(course.cost_nanousd)}", fails])
    return columns(table)


def _shares(ratings: "Ratings") -> Row:
    return [str(ratings.count), _share(ratings.bad, ratings.count), _share(ratings.good, ratings.count)]


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %" if whole else ""


# ---- train


@route_group.command()
@click.option("--days", type=click.IntRange(1, 3660), default=90, show_default=True, help="Learn from these.")
@click.option("--apply", is_flag=True, help="Keep what was learned, where it is better.")
@click.option("--reset", is_flag=True, help="Judge as shipped again.")
def train(days: int, apply: bool, reset: bool) -> None:
    """What ratings here teach about the router's score. Changes nothing without --apply."""
    from thermly.ratings import learning
    from thermly.store import feedback

    settings = read()
    if reset:
        if apply:
            raise click.UsageError("--apply and --reset contradict each other.")
        known = learning.forget(settings)
        click.echo(
            "The router judges as shipped; servers from their next start on."
            if known
            else "Nothing was learned here."
        )
        return
    base = database(settings)
    rows = feedback.served(base, clock.now_ms() - days * DAY_MS)
    lesson = learning.study(rows, _catalog(settings, base))
    click.echo("\n".join(_told(lesson, days)))
    if not apply:
        if lesson.comparison.better:
            click.echo("Nothing was changed. `thermly route train --apply` keeps it.")
        return
    if not lesson.comparison.better:
        raise click.ClickException("There is nothing to apply that is better than what is shipped.")
    learning.keep(settings, lesson, days)
    click.echo(f"Kept in {learning.path(settings)}; servers judge by it from their next start on.")


def _told(lesson: "Lesson", days: int) -> Iterator[str]:
    from thermly.routing.recalibration import ENOUGH, STRENGTH

    found = lesson.comparison
    yield (
        f"{found.examples:,} ratings of answers by fast models in the last {days} days, of {lesson.asked:,}: "
        f"{lesson.failed:,} say that the model failed, {lesson.did:,} that it did not."
    )
    if lesson.escalations:
        yield (
            f"{lesson.escalations:,} more answers were visibly not good enough. Since all of those are seen, and "
            f"of others only what is rated, each counts as {lesson.weight:.3f} of a rating."
        )
    if found.examples < ENOUGH:
        yield f"Fewer than {ENOUGH} ratings show nothing: the router judges as shipped."
        return
    yield f"The shipped score counts as much as {STRENGTH} ratings that agree with it."
    yield ""
    yield f"log loss on what the fit had not seen: {found.before:.4f} as shipped, {found.after:.4f} refitted"
    gain, often = found.before - found.after, "more" if found.better else "not more"
    yield (
        f"That is {'better' if gain >= 0 else 'worse'} by {abs(gain):.4f}, with a standard error of "
        f"{found.error:.4f}: {often} than chance would often show."
    )
    yield ""
    moved = {f"{score:.2f}": f"{lesson.learned.chance(score):.2f}" for score in SHOWN_SCORES}
    yield columns([["a score of", *moved], ["would become", *moved.values()]])


COMMANDS = (route_group,)
