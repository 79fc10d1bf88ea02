"""A value that fits each schema of a library, made from the schema: every component has an example."""

from typing import Any

from thermly.genui.checks import ACTION, PART, Element
from thermly.genui.library import ROOT, Library


def card(name: str, library: Library) -> Element:
    """A card that shows the component, whatever it has to stand in."""
    if name == ROOT:
        return Element(ROOT, {"children": []})
    return Element(ROOT, {"children": [holder(name, library)]})


def holder(name: str, library: Library) -> Element:
    component = library.components[name]
    if component.place == "block":
        return made(name, library)
    for other in library.components.values():
        if other.name not in (name, ROOT) and name in str(other.props) and other.place != "item":
            element = made(other.name, library)
            _put(element.props, other.props, name, library)
            return element if other.place == "block" else _in_form(element, library)
    raise AssertionError(f"nothing takes {name}")


def _in_form(element: Element, library: Library) -> Element:
    if element.name == "FormControl":
        control = element
    else:
        control = Element("FormControl", {**made("FormControl", library).props, "input": element})
    return Element("Form", {**made("Form", library).props, "fields": [control]})


def _put(props: dict[str, Any], schemas: dict[str, Any], name: str, library: Library) -> None:
    for prop, schema in schemas.items():
        if name in schema.get(PART, ()):
            props[prop] = part(name, library)
        elif name in schema.get("items", {}).get(PART, ()):
            props[prop] = [part(name, library)]


def made(name: str, library: Library) -> Element:
    component = library.components[name]
    return Element(name, {prop: value(schema, library) for prop, schema in component.props.items()})


def part(name: str, library: Library) -> Any:
    element = made(name, library)
    is_plain = library.components[name].place == "item" and not library.is_openui
    return element.props if is_plain else element


def value(schema: dict[str, Any], library: Library) -> Any:
    if PART in schema:
        return part(schema[PART][0], library) if schema[PART] else made("CodeBlock", library)
    if ACTION in schema:
        return {"type": "open_url", "url": 'https://example.com/?a=1&b="2"'}
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema["type"] if isinstance(schema["type"], str) else schema["type"][0]
    if kind == "array":
        return [value(schema["items"], library)] * 2
    if kind == "object":
        return {name: value(inner, library) for name, inner in schema["properties"].items()}
    return {"string": 'Some <text>, "quoted" & new\nline \\', "number": 1.5, "boolean": True}[kind]
