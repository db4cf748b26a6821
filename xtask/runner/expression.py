"""Expressions of workflows: `${{ github.event_name == 'push' && !cancelled() }}`.

What GitHub documents in "Evaluate expressions in workflows and actions", cut to what our workflows use. An unknown function or
a malformed expression is an error, so that a workflow that needs more is noticed.
"""

import re

TOKEN = re.compile(r"\s*(?:('(?:[^']|'')*')|(-?\d+(?:\.\d+)?)|(==|!=|<=|>=|&&|\|\||[!()<>,\[\]])|([A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*))")
PLACE = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)


class ExpressionError(Exception):
    pass


def tokens(text):
    out, at = [], 0
    while text[at:].strip():
        match = TOKEN.match(text, at)
        if not match:
            raise ExpressionError(f"cannot read `{text[at:]}` of `{text}`")
        out.append(match.groups())
        at = match.end()
    return out


def truthy(value):
    return value not in (None, False, 0, "")


def text(value):
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def number(value):
    if value is None or value == "":
        return 0.0
    if isinstance(value, bool):
        return float(value)
    try:
        return float(value)
    except ValueError:
        return float("nan")


def same(left, right):
    if isinstance(left, str) and isinstance(right, str):
        return left.lower() == right.lower()
    if type(left) is type(right):
        return left == right
    return number(left) == number(right)


class Evaluator:
    """Evaluates over contexts: nested dictionaries by name. `functions` are those that depend on the job's state."""

    def __init__(self, contexts, functions):
        self.contexts = contexts
        self.functions = {
            "contains": lambda where, what: text(what).lower() in text(where).lower(),
            "startsWith": lambda where, what: text(where).lower().startswith(text(what).lower()),
            "endsWith": lambda where, what: text(where).lower().endswith(text(what).lower()),
            "format": lambda form, *values: re.sub(r"\{(\d+)\}", lambda m: text(values[int(m[1])]), form),
            **functions,
        }

    def evaluate(self, source):
        self.rest = tokens(source)
        value = self.any_of()
        if self.rest:
            raise ExpressionError(f"expected the end of `{source}`, found {self.rest[0]}")
        return value

    def peek(self, symbol):
        return bool(self.rest) and self.rest[0][2] == symbol

    def take(self, symbol):
        if not self.peek(symbol):
            raise ExpressionError(f"expected `{symbol}`, found {self.rest[:1]}")
        self.rest.pop(0)

    def any_of(self):
        value = self.all_of()
        while self.peek("||"):
            self.take("||")
            other = self.all_of()
            value = value if truthy(value) else other
        return value

    def all_of(self):
        value = self.comparison()
        while self.peek("&&"):
            self.take("&&")
            other = self.comparison()
            value = other if truthy(value) else value
        return value

    def comparison(self):
        value = self.negation()
        for symbol, holds in (
            ("==", same),
            ("!=", lambda a, b: not same(a, b)),
            ("<=", lambda a, b: number(a) <= number(b)),
            (">=", lambda a, b: number(a) >= number(b)),
            ("<", lambda a, b: number(a) < number(b)),
            (">", lambda a, b: number(a) > number(b)),
        ):
            if self.peek(symbol):
                self.take(symbol)
                return holds(value, self.negation())
        return value

    def negation(self):
        if self.peek("!"):
            self.take("!")
            return not truthy(self.negation())
        return self.primary()

    def primary(self):
        if self.peek("("):
            self.take("(")
            value = self.any_of()
            self.take(")")
            return value
        if not self.rest:
            raise ExpressionError("an expression ends too early")
        string, digits, symbol, name = self.rest.pop(0)
        if string is not None:
            return string[1:-1].replace("''", "'")
        if digits is not None:
            return float(digits)
        if name is None:
            raise ExpressionError(f"unexpected `{symbol}`")
        if self.peek("("):
            return self.call(name)
        return {"true": True, "false": False, "null": None}.get(name, self.lookup(name) if "." in name else None)

    def call(self, name):
        self.take("(")
        arguments = []
        while not self.peek(")"):
            arguments.append(self.any_of())
            if self.peek(","):
                self.take(",")
        self.take(")")
        if name not in self.functions:
            raise ExpressionError(f"unknown function `{name}`")
        return self.functions[name](*arguments)

    def lookup(self, name):
        first, *path = name.split(".")
        if first not in self.contexts:
            raise ExpressionError(f"unknown context `{first}` in `{name}`")
        value = self.contexts[first]
        for part in path:
            value = value.get(part) if isinstance(value, dict) else None
        return value

    def fill(self, source):
        """A string with its `${{ }}` replaced."""
        if not isinstance(source, str):
            return text(source)
        return PLACE.sub(lambda match: text(self.evaluate(match[1])), source)

    def condition(self, source):
        """An `if:`; without a function of the job's state, `success()` is part of it."""
        source = text(source).strip()
        match = PLACE.fullmatch(source)
        source = match[1] if match else source
        if not re.search(r"\b(success|failure|always|cancelled)\(", source):
            source = f"success() && ({source})"
        return truthy(self.evaluate(source))
