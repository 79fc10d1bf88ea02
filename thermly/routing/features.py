"""Request -> numbers that mean something: what the user asks for, and what it comes with.

Knows: words, signs, shapes of text. Must not know: what any of it weighs, models, prices.
Only the head and the tail of long texts are read: what is asked stands at one end, what it is about between.
"""

import functools
import re
from collections.abc import Mapping

from msgspec import Struct

from thermly.exchange import ChatRequest, Message
from thermly.routing.measures import measure
from thermly.routing.words import STEMS, UNSPACED, WORDS

HEAD_CHARS = 3_000
TAIL_CHARS = 1_500
MOST_WORD_CHARS = 40
KINDS = tuple(f"{kind}_words" for kind in dict.fromkeys((*WORDS, *STEMS, *UNSPACED)))


class Features(Struct, frozen=True, gc=False):
    """Counts of the last user turn, unless said otherwise. `*_words` count words of a kind; `chars` stands for
    the whole turn, every other count for what was read of it. `form` and `measures` are for the trained heads."""

    chars: int
    earlier_chars: int
    system_chars: int
    turns: int
    tools: int
    schema: bool
    images: int
    words: int
    maths_signs: int
    fences: int
    questions: int
    numbers: int
    non_latin: float
    asked_words: int
    greeting_words: int
    lookup_words: int
    code_words: int
    maths_words: int
    proof_words: int
    refactor_words: int
    legal_words: int
    analysis_words: int
    plan_words: int
    steps_words: int
    constraint_words: int
    creative_words: int
    translation_words: int
    form: str = "open"
    measures: tuple[float, ...] = ()


def _by_word(table: Mapping[str, str]) -> dict[str, str]:
    return {_folded(word): f"{kind}_words" for kind, words in table.items() for word in words.split()}


def _folded(text: str) -> str:
    """In small letters, where capitals of languages with a dotless i come back as they went."""
    text = text.lower()
    return text if text.isascii() else text.replace("ı", "i").replace("\u0307", "")


_word = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_maths_signs = str.maketrans("", "", "=+*/^<>≤≥≠≈√∑∏∫∂π∞×÷±∈∀∃→$")
_number = re.compile(r"\d+")
_command = re.compile(r"\\[a-z]")
_far_script = re.compile(r"[^\x00-\u024f\u2000-\u22ff]")
_asked = re.compile(
    r"(\d[\d.,]{0,9})[ -]?(words?|wörter|worte|wort|mots|palabras|parole|kelime|слов|字|词|語|단어"
    r"|pages?|seiten|páginas|pagine|sayfa|страниц|页)"
)
_kind_of_word = _by_word(WORDS)
_kind_of_stem = _by_word(STEMS)
_kind_of_piece = {piece.replace("_", " "): kind for piece, kind in _by_word(UNSPACED).items()}
_stem_lengths = tuple(sorted({len(stem) for stem in _kind_of_stem}))
_piece = re.compile("|".join(sorted(map(re.escape, _kind_of_piece), key=len, reverse=True)))
_page = re.compile(r"page|seite|página|pagin|sayfa|страниц|页")
WORDS_PER_PAGE = 400


def read(request: ChatRequest) -> Features:
    """What there is to say about a request before anybody has answered it."""
    last, earlier_chars, system_chars, turns = _turns(request)
    ends = _ends(last)
    text = _folded(ends)
    measured = measure(ends, request.tools)
    found = _word.findall(text)
    counts = _count_kinds(found, text)
    far = 0.0 if text.isascii() else len(_far_script.findall(text)) / len(text)
    return Features(
        chars=len(last),
        earlier_chars=earlier_chars,
        system_chars=system_chars,
        turns=turns,
        tools=len(request.tools),
        schema=request.response_format is not None and request.response_format.kind == "json_schema",
        images=sum(part.kind == "image" for part in request.media()),
        words=len(found),
        maths_signs=_count(text, _maths_signs) + (len(_command.findall(text)) if "\\" in text else 0),
        fences=text.count("```"),
        questions=text.count("?") + text.count("？"),
        numbers=len(_number.findall(text)),
        non_latin=far,
        asked_words=_asked_words(text),
        form=measured.form,
        measures=measured.values,
        **counts,
    )


def _count(text: str, signs: dict[int, int | None]) -> int:
    """How many of these signs: deleting them is the quickest way to count."""
    return len(text) - len(text.translate(signs))


def _turns(request: ChatRequest) -> tuple[str, int, int, int]:
    """The last user turn, the length of the talk before it, of the instructions, and the number of user turns."""
    last: Message | None = None
    earlier_chars = system_chars = turns = 0
    for message in reversed(request.messages):
        if message.role == "user":
            turns += 1
            if last is None:
                last = message
                continue
        if message.role in ("system", "developer"):
            system_chars += len(message.text)
        else:
            earlier_chars += len(message.text)
    return (last.text if last else ""), earlier_chars, system_chars, turns


def _ends(text: str) -> str:
    if len(text) <= HEAD_CHARS + TAIL_CHARS:
        return text
    return f"{text[:HEAD_CHARS]}\n{text[-TAIL_CHARS:]}"


def _count_kinds(found: list[str], text: str) -> dict[str, int]:
    counts = dict.fromkeys(KINDS, 0)
    for word in found:
        if kind := _kind(word):
            counts[kind] += 1
    if not text.isascii():
        for piece in _piece.findall(text):
            counts[_kind_of_piece[piece]] += 1
    return counts


@functools.lru_cache(20_000)  # people use the same words again: saves two thirds of the whole reading
def _kind(word: str) -> str | None:
    kind = _kind_of_word.get(word)
    if kind is None and 3 < len(word) <= MOST_WORD_CHARS:
        for length in _stem_lengths:
            if kind := _kind_of_stem.get(word[:length]):
                break
    return kind


def _asked_words(text: str) -> int:
    """The length that the answer shall have, where the user says one."""
    matches = (m for m in _asked.finditer(text) if m.start() == 0 or text[m.start() - 1] not in "0123456789.,")
    match = next(matches, None)
    if match is None:
        return 0
    number = int(re.sub(r"\D", "", match[1])[:6])
    return number * WORDS_PER_PAGE if _page.match(match[2]) else number
