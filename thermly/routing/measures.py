"""A text and the tools with it -> what form of task it is, and numbers that say how large and intricate it is.

Knows: signs, options, numbers, formulas, code, grids, tools. Must not know: what any of it weighs, languages'
words beyond `TOPICS`, models. Forms without a trained head are not measured: most chats cost a glance.
"""

import itertools
import math
import re
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from thermly.exchange import Tool
from thermly.routing.topics import TOPICS

FAR_SHARE = 0.1
"""From this share of signs in a far script on, questions with options are of a form of their own."""
MANY_OPTIONS = 5
DEEPEST = 4
LEAST_WORDS = 14
"""A sum in fewer words is a trifle."""
MOST_GRID = 60.0
GRID_SIZE = 13.0
"""On the scale of `_grid`: where strong models still solve a logic grid and weak ones do not."""


class Measured(Struct, frozen=True, gc=False):
    """`values` are in the order of NAMES, or nothing."""

    form: str = "open"
    values: tuple[float, ...] = ()


class Options(Struct, frozen=True, gc=False):
    stem: str
    texts: tuple[str, ...]


_log = math.log1p
_token = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*|\d+(?:[.,]\d+)*")
_marker = re.compile(r"([A-Pa-p])[.):．、][ \t]*")
_sentence = re.compile(r"[.!?。！？](?=\s|$)")
_formula = re.compile(r"\\[a-zA-Z]+")
_code_line = re.compile(
    r"^(?:    |\t)\S|^(?:def|class|import|from|for|while|if|return|function|var|let|const|public|#include)\b", re.M
)
_name = re.compile(r" [A-Z][a-z]")
_short_form = re.compile(r"[A-Z]{2,}")
_upper = re.compile(r"[A-Z]")
_blank = re.compile(r"__+")
_clue = re.compile(r"^[ \t]*(?:\d{1,2}[.)]|[-*•])\s", re.M)
_listing = re.compile(r"^ *[-*] [^\n]{0,80}?: ?([^\n,]*,[^\n]*)$", re.M)
_statement = re.compile(r"\n[ \t]+(?:\S+ ?[-+*]?=|\w+\.\w+\()")
_text_method = re.compile(
    r"\.(?:replace|split|join|[lr]?strip|r?find|r?index|count|upper|lower|title|swapcase|startswith|endswith|center"
    r"|[lr]just|zfill|r?partition|encode|translate|format|isdigit|isalpha|isupper)\b"
)
_call = re.compile(r"\.\w+\(")
_literal = re.compile(r"'[^'\n]*'")
_slice = re.compile(r"\[[^\[\]:\n]{0,60}:[^\[\]\n]{0,60}\]")
_number_option = re.compile(r"[\s$\-−+(]*\\?[\d.]")
_far = re.compile(r"[^\x00-\u024f\u2000-\u22ff]")

_topics_of: dict[str, list[int]] = {}
for _topic, _words in enumerate(TOPICS.values()):
    for _word in set(_words.split()):
        _topics_of.setdefault(_word, []).append(_topic)
_function_asked = re.compile(r"\s*(?:write|implement|create|define)\b[^.\n]{0,40}\bfunction\b", re.I)
_reckoning = frozenset(TOPICS["reckoning"].split())
_shares = frozenset(TOPICS["share"].split()) | frozenset(TOPICS["comparison"].split())

BEFORE_MARK = frozenset(" \n\t\r(（\u3000\xa0")
LISTED = ("statement 1", "i, ii", "i and ii", "ii and iii", "i only", "ii only")
OPENINGS = ("who", "what", "which", "when", "why", "how", "if", "the", "a")
NAMES = (
    *("chars", "words", "stem_words", "word_length", "long_words", "very_long_words", "very_long_count"),
    *("longest_word", "variety", "distinct", "sentences", "sentence_words", "lines"),
    *("numbers", "number_share", "distinct_numbers", "decimals", "big_numbers", "very_big_numbers"),
    *("percents", "dollars", "formulas", "fractions", "powers", "equals", "operators", "minus", "brackets"),
    *("code_lines", "calls", "quotes", "semicolons", "questions", "ends_asking", "blanks", "colons", "commas"),
    *("names", "short_forms", "upper", "clues"),
    *("statements", "loops", "text_methods", "literal", "slices", "squares", "ifs"),
    *(f"topic_{topic}" for topic in TOPICS),
    *(f"opens_{word}" for word in OPENINGS),
    *("options", "option_length", "option_spread", "option_numbers", "option_overlap", "option_in_stem"),
    *("option_all", "statements_listed", "truth_pairs"),
    *("tools", "parameters", "required", "nested", "choices", "optional", "types", "descriptions"),
)


def measure(text: str, tools: Sequence[Tool] = ()) -> Measured:
    """`text` is what was read of the last user turn."""
    options = None if tools else _options(text)
    form = _form(text, tools, options)
    if form == "open":
        return Measured()
    if form == "grid":
        return Measured(form, (_grid(text),))
    lower = text.lower()
    stem = _token.findall(options.stem.lower() if options else lower)
    chosen = [_token.findall(option.lower()) for option in options.texts] if options else []
    tokens = [*stem, *itertools.chain.from_iterable(chosen)]
    return Measured(
        form,
        (
            *_lengths(text, tokens, stem, options.stem if options else text),
            *_numbers(text, [word for word in tokens if word < ":"], len(tokens)),
            *_signs(text, options.stem if options else text),
            *_code(text, lower, tokens),
            *_topics(tokens),
            *_options_measured(options, chosen, stem, lower),
            *_tools(tools),
        ),
    )


def _form(text: str, tools: Sequence[Tool], options: Options | None) -> str:
    if tools:
        return "tools"
    if options:
        if not text.isascii() and len(_far.findall(text)) > FAR_SHARE * len(text):
            return "far options"
        return "options" if len(options.texts) <= MANY_OPTIONS else "many options"
    if len(_listing.findall(text)) > 1:
        return "grid"
    if "```" in text:
        return "open"
    if len(_code_line.findall(text)) > 1 or _function_asked.match(text):
        return "code"
    if text.count("\\") + text.count("^") + text.count("=") > 1:
        return "formula"
    return "sum" if _is_sum(text) else "open"


def _is_sum(text: str) -> bool:
    """Numbers, and words that reckon with them; or an amount asked for of amounts in words."""
    said = _token.findall(text.lower())
    if len(said) < LEAST_WORDS:
        return False
    tokens = set(said)
    numbers = sum(word < ":" for word in tokens)
    asks = "?" in text
    if numbers:
        return not _reckoning.isdisjoint(tokens) or (asks and (numbers > 1 or not _shares.isdisjoint(tokens)))
    return asks and not _reckoning.isdisjoint(tokens) and not _shares.isdisjoint(tokens)


def _options(text: str) -> Options | None:
    """The longest run of marks A, B, C ..., wherever they stand, with what is said before and after each."""
    best: list[re.Match[str]] = []
    run: list[re.Match[str]] = []
    for mark in _marker.finditer(text):
        if mark.start() and text[mark.start() - 1] not in BEFORE_MARK:
            continue
        if mark[1] in "Aa":
            run = [mark]
        elif run and ord(mark[1]) == ord(run[-1][1]) + 1:
            run.append(mark)
        if len(run) >= max(2, len(best)):
            best = run
    if not best:
        return None
    ends = [mark.start() for mark in best[1:]] + [len(text)]
    texts = tuple(text[mark.end() : end].strip() for mark, end in zip(best, ends, strict=True))
    return Options(text[: best[0].start()], texts)


def _grid(text: str) -> float:
    """How near a logic grid is to the size where only strong models are right; 0: trivial, or too large for all."""
    lists = _listing.findall(text)
    width = max(listed.count(",") + 1 for listed in lists)
    size = min(math.lgamma(width + 1) * len(lists), MOST_GRID)
    return max(0.0, 1 - abs(size - GRID_SIZE) / GRID_SIZE)


def _lengths(text: str, tokens: list[str], stem: list[str], question: str) -> tuple[float, ...]:
    lengths = [len(word) for word in tokens if word > ":"]
    count = len(lengths) or 1
    very_long = sum(length > 10 for length in lengths)
    distinct = len(set(tokens))
    sentences = len(_sentence.findall(question)) or 1
    return (
        _log(len(text) / 50),
        _log(len(tokens) / 10),
        _log(len(stem) / 10),
        sum(lengths) / count,
        sum(length > 7 for length in lengths) / count,
        very_long / count,
        _log(very_long),
        max(lengths, default=0) / 10,
        distinct / (len(tokens) or 1),
        _log(distinct / 10),
        _log(sentences),
        _log(len(stem) / sentences / 5),
        _log(text.count("\n")),
    )


def _numbers(text: str, numbers: list[str], tokens: int) -> tuple[float, ...]:
    return (
        _log(len(numbers)),
        len(numbers) / (tokens or 1),
        _log(len(set(numbers))),
        _log(sum("." in number for number in numbers)),
        _log(sum(len(number) > 2 for number in numbers)),
        _log(sum(len(number) > 4 for number in numbers)),
    )


def _signs(text: str, question: str) -> tuple[float, ...]:
    count = text.count
    upper = len(_upper.findall(text)) / (len(text) or 1)
    signs = (
        count("%"),
        count("$"),
        len(_formula.findall(text)),
        count("\\frac") + count("/"),
        count("^"),
        count("="),
        count("+") + count("*") + count("<") + count(">"),
        count("-"),
        count("(") + count("[") + count("{"),
        len(_code_line.findall(text)),
        len(_call.findall(text)),
        count('"') + count("'"),
        count(";"),
        count("?") + count("？"),
    )
    more = (count(":"), count(",") + count("，"), len(_name.findall(text)), len(_short_form.findall(text)))
    asking = float(question.rstrip().endswith(("?", "？")))
    blanks, clues = _log(len(_blank.findall(text))), _log(len(_clue.findall(text)))
    return (*map(_log, signs), asking, blanks, *map(_log, more), upper, clues)


def _code(text: str, lower: str, tokens: list[str]) -> tuple[float, ...]:
    counts = (
        len(_statement.findall(text)),
        tokens.count("for") + tokens.count("while"),
        len(_text_method.findall(lower)),
        sum(map(len, _literal.findall(text))),
        len(_slice.findall(text)),
        text.count("["),
        lower.count("if "),
    )
    return tuple(map(_log, counts))


def _topics(tokens: list[str]) -> tuple[float, ...]:
    counts = [0] * len(TOPICS)
    for token in tokens:
        for topic in _topics_of.get(token, ()):
            counts[topic] += 1
    first = tokens[0] if tokens else ""
    return (*map(_log, counts), *(float(first == word) for word in OPENINGS))


def _options_measured(
    options: Options | None, chosen: list[list[str]], stem: list[str], lower: str
) -> tuple[float, ...]:
    if options is None:
        return (0.0,) * 9
    texts, count = options.texts, len(options.texts)
    mean = sum(map(len, texts)) / count
    spread = math.sqrt(sum((len(text) - mean) ** 2 for text in texts) / count) / (mean + 5)
    words = [set(tokens) for tokens in chosen]
    union = set().union(*words)
    said = sum(map(len, words))
    last = texts[-1].lower()
    return (
        _log(count),
        _log(mean / 10),
        spread,
        sum(bool(_number_option.match(text)) for text in texts) / count,
        1 - len(union) / said if said else 0.0,
        len(union.intersection(stem)) / len(union) if union else 0.0,
        float(last.startswith(("all of", "none of", "both ", "neither"))),
        float(any(listed in lower for listed in LISTED)),
        float("true, " in lower or "false, " in lower),
    )


def _tools(tools: Sequence[Tool]) -> tuple[float, ...]:
    sizes = [_parameters(tool.parameters or {}) for tool in tools]
    parameters, required, nested, choices, types = map(sum, zip(*sizes, strict=True)) if sizes else (0,) * 5
    optional = max(0, parameters - required)
    words = sum(len(tool.description or "") for tool in tools) / 100
    return tuple(map(_log, (len(tools), parameters, required, nested, choices, optional, types, words)))


def _parameters(schema: dict[str, Any], depth: int = 0) -> tuple[int, int, int, int, int]:
    """Parameters, required ones, nested ones, choices among given values, distinct types."""
    properties = schema.get("properties")
    rows = [row for row in properties.values() if isinstance(row, dict)] if isinstance(properties, dict) else []
    required = schema.get("required")
    count, nested = len(rows), 0
    for row in rows:
        nested += isinstance(row.get("items"), dict)
        if depth < DEEPEST and isinstance(row.get("properties"), dict):
            inner = _parameters(row, depth + 1)
            count += inner[0]
            nested += 1 + inner[2]
    types = {row.get("type") for row in rows if isinstance(row.get("type"), str)}
    choices = sum(bool(row.get("enum")) for row in rows)
    return count, len(required) if isinstance(required, list) else 0, nested, choices, len(types)
