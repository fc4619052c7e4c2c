"""Pages: one template environment a language, with the translations compiled in.

``_("…")`` in a template is replaced while the template is compiled, so a page costs no look-up of its
words; a message with values, ``_("… %(n)s", n=…)``, becomes a plain ``%``, and one that counts,
``ngettext("… %(count)s …", count)``, the choice between two. Undefined names are errors, everything is
escaped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from flask import Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateSyntaxError, nodes
from jinja2.visitor import NodeTransformer
from markupsafe import escape

from portal.web import i18n
from portal.web.packing import static_table
from verifier.words import LANGUAGES, Language, school_year

HERE: Final = Path(__file__).parent.parent
TEMPLATES: Final = HERE / "templates"
#: One macro a file, known to every page by name; each uses only those before it.
COMPONENTS: Final = (
    "icons",
    "icon",
    "installable",
    "panel",
    "notice",
    "tag",
    "summary_list",
    "data_table",
    "empty",
    "loading",
    "trouble",
    "progress_bar",
    "steps",
    "disclosure",
    "findings",
    "signatures",
    "message",
    "tongue",
    "error_summary",
    "token",
    "openid_button",
    "passkey",
    "field",
    "file_field",
    "select_field",
    "choices",
    "text_field",
    "birth",
    "lookup_form",
    "scan",
    "paper_guide",
    "box_file",
    "box",
    "pile_answer",
    "pile_row",
    "record_sections",
)


class _Folder(NodeTransformer):
    """Replaces what is known before any request: translations, names of this installation, our own
    addresses.
    """

    def __init__(self, environment: _Environment, name: str | None) -> None:
        self.environment = environment
        self.name = name

    def visit_Call(self, node: nodes.Call) -> nodes.Node:  # noqa: N802 - the visitor's naming
        called = node.node.name if isinstance(node.node, nodes.Name) else ""
        self.generic_visit(node)
        if called == "_":
            return self._message(node)
        if called == "ngettext":
            return self._counted(node)
        if called == "link" and isinstance(node.args[0], nodes.Const):
            return nodes.Const(i18n.link(node.args[0].value, self.environment.language), lineno=node.lineno)
        return node

    def visit_Name(self, node: nodes.Name) -> nodes.Node:  # noqa: N802
        constants = self.environment.constants
        if node.ctx == "load" and node.name in constants:
            return nodes.Const(constants[node.name], lineno=node.lineno)
        return node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        if (
            isinstance(node.node, nodes.Name)
            and node.node.name == "static"
            and isinstance(node.arg, nodes.Const)
        ):
            return nodes.Const(static_address(node.arg.value), lineno=node.lineno)
        return node

    def _message(self, node: nodes.Call) -> nodes.Node:
        if len(node.args) != 1 or not isinstance(node.args[0], nodes.Const):
            raise TemplateSyntaxError("_() takes one constant message", node.lineno, self.name)
        text = nodes.Const(i18n.translate(node.args[0].value, self.environment.language), lineno=node.lineno)
        return self._filled(text, node.kwargs) if node.kwargs else text

    def _counted(self, node: nodes.Call) -> nodes.Node:
        if len(node.args) != 2 or not isinstance(node.args[0], nodes.Const):
            raise TemplateSyntaxError("ngettext() takes a constant message, a number", node.lineno, self.name)
        forms = i18n.in_number(node.args[0].value, self.environment.language)
        one, other = (nodes.Const(text, lineno=node.lineno) for text in forms)
        count = node.args[1]
        single = nodes.Compare(count, [nodes.Operand("eq", nodes.Const(1))], lineno=node.lineno)
        text = nodes.CondExpr(single, one, other, lineno=node.lineno)
        return self._filled(text, [nodes.Keyword("count", count), *node.kwargs])

    @staticmethod
    def _filled(text: nodes.Expr, values: Sequence[nodes.Keyword]) -> nodes.Node:
        pairs = [nodes.Pair(nodes.Const(k.key), k.value, lineno=text.lineno) for k in values]
        return nodes.Mod(text, nodes.Dict(pairs, lineno=text.lineno), lineno=text.lineno)


class _Environment(Environment):
    """A Jinja environment for one language. ``constants`` are folded into the templates."""

    def __init__(self, language: Language, constants: Mapping[str, object]) -> None:
        super().__init__(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            cache_size=-1,
        )
        self.language = language
        self.constants = {**constants, "language": language}

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree: nodes.Template = _Folder(self, name).visit(super()._parse(source, name, filename))
        return tree


# Compiling the components is most of the work of making an app, and what is compiled depends on nothing else:
# a process that makes several portals of the same names (the tests make thousands) compiles a page once.
@lru_cache(maxsize=16)
def _environment(language: Language, names: tuple[tuple[str, Hashable], ...]) -> Environment:
    environment = _Environment(language, dict(names))

    def link(path: str) -> str:
        return i18n.link(path, language)

    environment.globals["link"] = link
    environment.globals["school_year"] = school_year
    for component in COMPONENTS:
        module = environment.get_template(f"components/{component}.html").module
        environment.globals[component] = getattr(module, component)
    return environment


_Outline = tuple[tuple[tuple[str, str], ...], str]
_FIRST_MARK: Final = 0xE000  # private use: no text of ours holds such a character
_MARK: Final = re.compile("([\ue000-\uf8ff])")
_BETWEEN: Final = "\uf8ff"  # private use too; dropped where a text holds it
_MOST_OUTLINES: Final = 512
HTML: Final = "text/html; charset=utf-8"


class Pages:
    """Renders templates in both languages."""

    def __init__(self, names: Mapping[str, Hashable]) -> None:
        """``names`` are known to every template (system name, demo or not …)."""
        known = tuple(sorted(names.items()))
        self._environments = {language: _environment(language, known) for language in LANGUAGES}
        self._outlines: dict[tuple[object, ...], _Outline] = {}

    def page(
        self,
        template: str,
        language: Language,
        context: Mapping[str, Any],
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """The page as an answer. It leads to itself in the other language (``here``, or this address)."""
        other = other_language(context.get("here") or i18n.this_page(), language)
        text = self.text(template, language, {**context, "other_language": other})
        return Response(text, status, headers, content_type=HTML)

    def text(self, template: str, language: Language, context: Mapping[str, Any]) -> str:
        """The page as text."""
        return self._environments[language].get_template(template).render(context)

    def outlined(
        self,
        template: str,
        language: Language,
        kind: Hashable,
        context: Callable[[], Mapping[str, Any]],
        blanks: Mapping[str, str],
    ) -> str:
        """A page that differs from others of its ``kind`` in a few texts only, the ``blanks`` (name -> text).

        Each kind is rendered once, with marks where the blanks stand, and kept as an outline; afterwards
        the blanks are filled in, escaped. ``context`` is asked for once a kind and must hold nothing of a
        person.
        """
        key = (template, language, kind)
        outline = self._outlines.get(key)
        if outline is None:
            if len(self._outlines) >= _MOST_OUTLINES:
                self._outlines.clear()
            outline = self._outlines[key] = self._outline(template, language, context(), tuple(blanks))
        pieces, last = outline
        safe = dict(zip(blanks, _escaped(blanks.values()), strict=True))
        filled = [piece for before, name in pieces for piece in (before, safe[name])]
        return "".join([*filled, last])

    def _outline(
        self, template: str, language: Language, context: Mapping[str, Any], blanks: tuple[str, ...]
    ) -> _Outline:
        """The text between the blanks: (text, name of the blank after it) …, and the last text."""
        marks = {chr(_FIRST_MARK + number): name for number, name in enumerate(blanks)}
        marked = {name: mark for mark, name in marks.items()}
        parts = _MARK.split(self.text(template, language, {**context, **marked}))
        return tuple(zip(parts[::2], [marks[mark] for mark in parts[1::2]], strict=False)), parts[-1]


def _escaped(texts: Iterable[str]) -> list[str]:
    """Each text escaped for HTML; all in one call, which is most of the cost."""
    joined = [text.replace(_BETWEEN, "") for text in texts]
    return str(escape(_BETWEEN.join(joined))).split(_BETWEEN)


def other_language(path: str, language: Language) -> str:
    """Where the page at ``path`` speaks the other language."""
    return i18n.link(path, "en" if language == "vi" else "vi")


def static_address(name: str) -> str:
    """The address of a static file with its content's hash, so that it may be cached for ever."""
    return static_table()[name].address
