import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermly.genui.history import spoken, unwrap

TREE = (
    '<content thesys="true">{&quot;component&quot;:{&quot;component&quot;:&quot;Card&quot;,&quot;props&quot;:'
    "{&quot;children&quot;:[{&quot;component&quot;:&quot;Header&quot;,&quot;props&quot;:{&quot;title&quot;:"
    "&quot;A &amp;lt; B&quot;}},{&quot;component&quot;:&quot;Unknown&quot;,&quot;props&quot;:{&quot;variant&quot;:"
    "&quot;info&quot;,&quot;rows&quot;:[[&quot;Tea&quot;,2.5,null]]}}]}},&quot;error&quot;:null}</content>"
)
PROGRAM = (
    '<content thesys="true" version="2">\n```openui-lang\nroot = Card([head, t, m])\n'
    "t = Table([Col(&quot;Name&quot;, &quot;string&quot;)], [[&quot;Tea&quot;], [&quot;Milk&quot;]])\n"
    "head = Header(&quot;A &amp;lt; B&quot;, &quot;large&quot;)\n"
    "m = Callout(&quot;info&quot;, &quot;T&quot;, &quot;D&quot;)\n"
    "lost = TextContent(&quot;Lost&quot;)\n```\n</content>"
)


def test_an_item_that_shows_an_interface_is_its_words():
    said = {"type": "output_text", "text": TREE, "annotations": []}
    plain = {"type": "output_text", "text": "What is <content>?", "annotations": []}
    refused = {"type": "refusal", "refusal": TREE}
    item = {"id": "msg_1", "type": "message", "role": "assistant", "content": [said, plain, refused]}
    told = spoken(item)
    assert told == {**item, "content": [{**said, "text": unwrap(TREE)}, plain, refused]}
    assert item["content"][0]["text"] == TREE, "what is remembered stays as it was"
    aside = {**item, "content": [{**said, "text": "<custommarkdown>I look &lt; it up.</custommarkdown>"}]}
    assert spoken(aside)["content"][0]["text"] == "I look < it up."
    for other in (
        {"type": "function_call_output", "call_id": "c", "output": TREE},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": TREE}]},
    ):
        assert spoken(other) is other


@given(st.text())
def test_plain_text_stays_as_it_is(text: str):
    assert unwrap(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "How do I use <content> in a web component?",
        "<context>Some facts</context> What follows?",
        "<content>An article</content> Summarise it.",
        'What does <content thesys="true"> mean?',
        "</content>",
        '<artifact id="a">b</artifact>',
        "a < b &amp; c",
    ],
)
def test_tags_of_a_persons_own_stay_as_they_are(text: str):
    assert unwrap(text) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (TREE, "A &lt; B\nTea | 2.5 | "),
        (PROGRAM, "A &lt; B\nName\nTea\nMilk\nT\nD\nLost"),
        ('<content thesys="true">What is 1 &lt; 2?</content>', "What is 1 < 2?"),
        ("<content>What is it?</content>", "What is it?"),
        ('<content thesys="true">Yes</content><context>["clicked"]</context>', 'Yes\n\n["clicked"]'),
        ("<custommarkdown>*a* &amp; b</custommarkdown>", "*a* & b"),
        (
            '<thinkitem ephemeral="true"><thinkitemtitle>T</thinkitemtitle></thinkitem>'
            '<content thesys="true">A</content><artifact thesys="true" type="report" id="1">B</artifact>'
            "<artifact_diff>C</artifact_diff>",
            "A\n\nB",
        ),
        ('Before <content thesys="true">within</content> after', "Before\n\nwithin\n\nafter"),
        ('<content thesys="true">It broke o', "It broke o"),
        ('<CONTENT thesys="TRUE">a</CONTENT>', "a"),
        ('<content thesys="true"></content>', ""),
    ],
)
def test_what_is_wrapped_is_read(text: str, words: str):
    assert unwrap(text) == words.strip()


def test_half_a_payload_still_has_words():
    assert unwrap(TREE[: TREE.index("&quot;}}")]) == "A &lt; B"
    assert unwrap(TREE[:-30].replace("2.5", "")) == "A &lt; B\nTea"
    assert unwrap(PROGRAM[:150]) == "Name\nstring\nTea"


@pytest.mark.parametrize("tail", ['{"a":"' + '\\"' * 40_000 + "\\", '{"a' * 20_000, "x = [" * 20_000])
def test_half_a_payload_costs_no_more_than_its_length(tail: str):
    unwrap(f'<content thesys="true">{tail}')
    unwrap(f'<content thesys="true">```\nroot = {tail}')


def test_a_program_that_doubles_itself_ends():
    rows = "\n".join(f"a{i} = [a{i + 1}, a{i + 1}]" for i in range(60))
    assert unwrap(f'<content thesys="true" version="2">root = Card(a0)\n{rows}\na60 = "end"</content>') == "end"


@given(st.lists(st.sampled_from(("<content>", "</content>", "<context>", "a", ' <content thesys="true">', "{"))))
def test_nonsense_is_survived(pieces: list[str]):
    unwrap("".join(pieces))
