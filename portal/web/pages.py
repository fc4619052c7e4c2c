"""Pages: one template environment a language, with the translations compiled in.

``_("…")`` in a template is replaced while the template is compiled, so a page costs no look-up of its
words; a message with values, ``_("… %(n)s", n=…)``, becomes a plain ``%``. Undefined names are errors,
everything is escaped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from flask import Response, request
from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateSyntaxError, nodes
from jinja2.visitor import NodeTransformer

from portal.web import i18n
from verifier.report import CheckStatus
from verifier.words import LANGUAGES, Language, Tone

HERE: Final = Path(__file__).parent.parent
TEMPLATES: Final = HERE / "templates"
STATIC: Final = HERE / "static"
#: One icon a tone and one a check's status, drawn once.
ICONS: Final = (*Tone, *CheckStatus)


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
        if not node.kwargs:
            return text
        values = [nodes.Pair(nodes.Const(k.key), k.value, lineno=node.lineno) for k in node.kwargs]
        return nodes.Mod(text, nodes.Dict(values, lineno=node.lineno), lineno=node.lineno)


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


class Pages:
    """Renders templates in both languages."""

    def __init__(self, names: Mapping[str, object]) -> None:
        """``names`` are known to every template (system name, demo or not …)."""
        self._environments = {language: self._environment(language, names) for language in LANGUAGES}

    @staticmethod
    def _environment(language: Language, names: Mapping[str, object]) -> Environment:
        environment = _Environment(language, names)

        def link(path: str) -> str:
            return i18n.link(path, language)

        environment.globals["link"] = link
        icon = environment.get_template("components/icon.html").module.icon  # type: ignore[attr-defined]
        environment.globals["icons"] = {name: icon(name) for name in ICONS}
        return environment

    def text(self, template: str, language: Language, context: Mapping[str, Any]) -> str:
        """The page as text."""
        return self._environments[language].get_template(template).render(context)

    def page(
        self, template: str, language: Language, context: Mapping[str, Any], status: int = 200
    ) -> Response:
        """The page as an answer. ``here`` is where the other language is: this page, or home for a sent
        form.
        """
        here = request.path if request.method != "POST" and status == 200 else "/"
        text = self.text(template, language, {"here": here, **context})
        return Response(text, status, content_type="text/html; charset=utf-8")


def static_address(name: str) -> str:
    """The address of a static file with its content's hash, so that it may be cached for ever."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()
    return f"/static/{name}?v={digest[:12]}"
