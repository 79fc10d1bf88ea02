"""Answers in openui-lang, checked statement by statement as they come: only what is sound is passed on.

Knows: a library, and that a later statement of a name replaces an earlier one. Must not know: frames, events.
"""

from collections.abc import Iterator
from typing import Any, TypeGuard

from thermly.genui.checks import Element, Fault, Reference
from thermly.genui.library import ROOT, Library
from thermly.genui.openui import Call, Program, Statement, write

# One name in two places is two components: ten names, each twice the one before, would be a thousand.
MOST_NODES = 20_000


class ProgramReader:
    """Text in, the statements that are sound out, one to a line. `faults` are those of the last attempt.

    What a stream was told cannot be taken back: there, a root that turns out to show what is never told stands
    before the one that replaces it. `at_once` keeps everything for the end, and then tells each name once.
    """

    head = ""

    def __init__(self, library: Library, at_once: bool = False) -> None:
        self.faults: list[Fault] = []
        self.statements: dict[str, Statement] = {}
        self._library, self._checker = library, library.checker()
        self._at_once = at_once
        self._program = Program()
        self._owes = False

    @property
    def has_markup(self) -> bool:
        return bool(self.statements or self.faults)

    @property
    def prose(self) -> str:
        return "\n".join(self._program.prose)

    @property
    def told(self) -> str:
        """What has been passed on, in words for the model that is to add to it."""
        return f"These names are told: {', '.join(self.statements)}." if self.statements else ""

    def take(self, text: str) -> str:
        return "".join(map(self._accept, self._program.feed(text)))

    def end(self) -> str:
        """The text is complete; what is wrong with the whole is among the faults from here on."""
        out = "".join(map(self._accept, self._program.end()))
        if self.has_markup or (self._owes and not self.prose.strip()):
            known = {fault.where for fault in self.faults}
            self.faults += [fault for fault in dict.fromkeys(self._whole()) if fault.where not in known]
        return out

    def again(self) -> None:
        """Another text adds to what has been passed on, or replaces it, and has to where that had faults."""
        self._owes = bool(self.faults)
        self._program, self.faults, self._checker = Program(), [], self._library.checker()

    def close(self, notice: Element | None) -> str:
        """A root that shows all that is sound, and the notice with it, where the one that was told does not."""
        told = list(self.statements.values()) if self._at_once else []
        if notice is not None or self.faults:
            shown: list[Any] = [child for child in self._children() if self._is_sound(child)]
            shown += [_call(notice, self._library)] if notice else []
            root = Statement("root", Call(ROOT, [shown]), 0)
            told = [root, *(row for row in told if row.name != root.name)]
        return "".join(write(row) + "\n" for row in told)

    def _accept(self, item: Statement | Fault) -> str:
        if isinstance(item, Statement):
            resolver = _Resolver({}, self._library)
            value = resolver.value(item.value, item.where)
            found = [*resolver.faults, *self._checked(value, item.where)]
            if item.name == "root" and not isinstance(value, Reference) and not _is_card(value):
                found = [_no_card(item)]
            if not found:
                self.statements[item.name] = item
                return "" if self._at_once else write(item) + "\n"
            self.faults += found
        else:
            self.faults.append(item)
        return ""

    def _checked(self, value: Any, where: str) -> Iterator[Fault]:
        """Every component in the value: a list of them may stand by itself."""
        if isinstance(value, Element):
            yield from self._checker.element(value, where)
        elif isinstance(value, list | dict):
            for entry in value if isinstance(value, list) else value.values():
                yield from self._checked(entry, where)

    def _whole(self) -> list[Fault]:
        root = self.statements.get("root")
        if root is None:
            return [Fault("the program", f"has no root = {ROOT}([…])")]
        resolver = _Resolver(self.statements, self._library)
        value = resolver.value(root.value, root.where)
        if not _is_card(value):
            return [_no_card(root)]
        return [*resolver.faults, *self._checker.element(value, root.where)]

    def _children(self) -> list[Any]:
        root = self.statements.get("root")
        if root is None or not isinstance(root.value, Call):
            return self._unused()
        children = root.value.args[0] if root.value.args else []
        for _ in self.statements:
            if isinstance(children, Reference):
                told = self.statements.get(children.name)
                children = told.value if told else []
        return children if isinstance(children, list) else []

    def _unused(self) -> list[Reference]:
        used: set[str] = set()
        for statement in self.statements.values():
            used.update(_names(statement.value))
        return [Reference(name) for name in self.statements if name not in used]

    def _is_sound(self, child: Any) -> bool:
        resolver = _Resolver(self.statements, self._library)
        value = resolver.value(child, "a child")
        if resolver.faults or not isinstance(value, Element):
            return False
        card = Element(ROOT, {"children": [value]})
        return next(self._library.checker().element(card, "a child"), None) is None


class _Resolver:
    """Arguments by position become properties by name; names become what they stand for, where that is told."""

    def __init__(self, statements: dict[str, Statement], library: Library) -> None:
        self.faults: list[Fault] = []
        self._statements, self._library = statements, library
        self._nodes = 0
        self._open: list[str] = ["root"]

    def value(self, value: Any, where: str) -> Any:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            if self._nodes == MOST_NODES + 1:
                self.faults.append(Fault(where, "is too large"))
            return None
        if isinstance(value, Call):
            return self._element(value, where)
        if isinstance(value, list):
            return [self.value(entry, where) for entry in value]
        if isinstance(value, dict):
            return {key: self.value(entry, where) for key, entry in value.items()}
        if isinstance(value, Reference) and self._statements:
            return self._named(value, where)
        return value

    def _element(self, call: Call, where: str) -> Element:
        component = self._library.components.get(call.name)
        names = list(component.props) if component else []
        if component is None:
            self.faults.append(Fault(where, f"there is no component {call.name}"))
        elif len(call.args) > len(names):
            self.faults.append(Fault(where, f"{call.name} takes at most {len(names)} arguments"))
        return Element(call.name, dict(zip(names, (self.value(a, where) for a in call.args), strict=False)))

    def _named(self, reference: Reference, where: str) -> Any:
        told = self._statements.get(reference.name)
        if told is None or reference.name in self._open:
            what = "is never told" if told is None else "stands for itself"
            self.faults.append(Fault(where, f"{reference.name} {what}"))
            return reference
        self._open.append(reference.name)
        value = self.value(told.value, told.where)
        self._open.pop()
        return value


def _is_card(value: Any) -> TypeGuard[Element]:
    return isinstance(value, Element) and value.name == ROOT


def _no_card(root: Statement) -> Fault:
    return Fault(root.where, f"root must be a {ROOT}")


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, Reference):
        yield value.name
    elif isinstance(value, Call | list | dict):
        inner = value.args if isinstance(value, Call) else value if isinstance(value, list) else value.values()
        for entry in inner:
            yield from _names(entry)


def program(element: Element, library: Library) -> str:
    """A whole card as a program: the root first, then each child in a statement of its own."""
    children = element.props["children"]
    names = [f"part{i}" for i in range(1, len(children) + 1)]
    root = Statement("root", Call(ROOT, [[Reference(name) for name in names]]), 0)
    rows = [Statement(name, _call(child, library), 0) for name, child in zip(names, children, strict=True)]
    return "".join(write(row) + "\n" for row in (root, *rows))


def _call(value: Any, library: Library) -> Any:
    if isinstance(value, Element):
        props = library.components[value.name].props
        args = [_call(value.props.get(name), library) for name in props]
        while args and args[-1] is None:
            args.pop()
        return Call(value.name, args)
    if isinstance(value, list):
        return [_call(entry, library) for entry in value]
    return value
