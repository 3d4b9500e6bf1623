"""Parse `$filter` of OData 4.0 into a typed tree, by recursive descent.

Every operand has a kind: string, number, boolean, date, instant, list or null (which fits all but list). Errors are
ApiError: InvalidQuery for the grammar, UnknownColumn, WrongType, QueryTooLarge, and NotImplemented for the parts of OData
that this service does not have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from lgsp.schema.column import Column
from lgsp.serve import errors
from lgsp.serve.filter_tree import FUNCTIONS, AnyOf, Call, ColumnOf, Compare, In, Logic, Node, Value
from lgsp.serve.literals import LITERALS, literal, tokens, unreadable
from lgsp.serve.model import EntitySet

LONGEST_FILTER, MOST_LEVELS, MOST_VALUES = 4000, 30, 200

OTHER_FUNCTIONS = frozenset(
    "length indexof substring trim concat matchesPattern hour minute second fractionalseconds time totaloffsetminutes now "
    "maxdatetime mindatetime totalseconds round floor ceiling cast isof hassubset hassubsequence case".split()
)
OTHER_OPERATORS = frozenset("add sub mul div divby mod has".split())
RELATIONS, EQUALITIES = ("gt", "ge", "lt", "le", "in"), ("eq", "ne")
KEYWORDS = {"and", "or", "not", *RELATIONS, *EQUALITIES, *OTHER_OPERATORS}


class Parser:
    """Parses one filter, or the value of an alias in it; `aliases` has the values of parameter aliases, and `used` those that were read."""

    def __init__(self, entity_set: EntitySet, text: str, target: str, aliases: Mapping[str, str]) -> None:
        if len(text) > LONGEST_FILTER:
            raise errors.too_large(f"{LONGEST_FILTER} characters", f"{LONGEST_FILTER} ký tự", target)
        self.entity_set, self.target, self.aliases = entity_set, target, aliases
        self.used: set[str] = set()
        self.values = self.depth = self.at = 0
        self.tokens = tokens(text, target)

    def filter(self) -> Node:
        """The tree of a whole `$filter`."""
        node = self._either()
        if node.kind not in ("boolean", "null"):
            raise self._type("a condition", "một điều kiện")
        self._expect("end", "")
        return node

    def _either(self) -> Node:
        return self._chain("or", lambda: self._chain("and", self._equality))

    def _chain(self, operator: str, operand: Callable[[], Node]) -> Node:
        operands = [operand()]
        while self._take("name", operator):
            operands.append(operand())
        if len(operands) == 1:
            return operands[0]
        return Logic(operator, tuple(self._condition(each) for each in operands))

    def _equality(self) -> Node:
        node, links = self._relation(), 0
        while operator := self._operator(EQUALITIES):
            links += 1
            self._limit(self.depth + 1 + links)
            node = self._compared(operator, node, self._relation())
        return node

    def _relation(self) -> Node:
        node, links = self._unary(), 0
        while operator := self._operator(RELATIONS):
            links += 1
            self._limit(self.depth + 1 + links)
            node = In(node, self._list(node)) if operator == "in" else self._compared(operator, node, self._unary())
        if self.tokens[self.at][1] in OTHER_OPERATORS:
            raise errors.not_implemented(self.tokens[self.at][1], self.target)
        return node

    def _unary(self) -> Node:
        with self._level():
            if self._take("name", "not"):
                return Logic("not", (self._condition(self._unary()),))
            if self._take("sign", "-"):
                raise errors.not_implemented("arithmetic", self.target)
            return self._primary()

    def _primary(self) -> Node:
        kind, text = self._next()
        if kind in LITERALS:
            return self._literal(kind, text)
        if (kind, text) == ("sign", "("):
            node = self._either()
            self._expect("sign", ")")
            return node
        if kind != "name" or text in KEYWORDS:
            raise self._syntax(text)
        if text in ("true", "false", "null"):
            return self._counted(
                Value({"true": True, "false": False}.get(text), "null" if text == "null" else "boolean")
            )
        if text.startswith("@"):
            return self._alias(text)
        if text.startswith("$"):
            raise errors.not_implemented(text, self.target)
        if self._take("sign", "("):
            return self._call(text)
        return self._column(text)

    def _column(self, name: str) -> Node:
        column = self.entity_set.columns.get(name)
        if column is None:
            if "." in name:
                raise errors.not_implemented(name, self.target)
            raise errors.unknown_column(self.entity_set.name, name, self.target)
        if not self._take("sign", "/"):
            return ColumnOf(column)
        _, function = self._next()
        if function in ("all", "$count"):
            raise errors.not_implemented(function, self.target)
        if function != "any" or column.type != "text[]":
            raise self._syntax(f"{name}/{function}")
        self._expect("sign", "(")
        return self._any(column)

    def _any(self, column: Column) -> Node:
        if self._take("sign", ")"):
            return AnyOf(column, None)
        kind, variable = self._next()
        if kind != "name" or not variable.isidentifier() or variable in KEYWORDS or variable in self.entity_set.columns:
            raise self._syntax(variable)
        self._expect("sign", ":")
        element = Value("", "string")
        if self._take("name", variable):
            if self._take("name", "in"):
                values = self._list(element)
            elif self._take("name", "eq"):
                values = (self._element(),)
            else:
                raise errors.not_implemented("any with other operators than eq and in", self.target)
        else:
            values = (self._element(),)
            if not self._take("name", "eq") or not self._take("name", variable):
                raise errors.not_implemented("any with other operators than eq and in", self.target)
        if self.tokens[self.at] in (("name", "and"), ("name", "or")):
            raise errors.not_implemented("any with several conditions", self.target)
        self._expect("sign", ")")
        return AnyOf(column, values)

    def _element(self) -> Value:
        node = self._primary() if self.tokens[self.at][0] in (*LITERALS, "name") else None
        if not isinstance(node, Value):
            raise errors.not_implemented("any with other operands than literals", self.target)
        if node.kind not in ("string", "null"):
            raise self._type("texts", "văn bản")
        return node

    def _list(self, left: Node) -> tuple[Value, ...]:
        kind, text = self._next()
        if text.startswith("@") and kind == "name":
            inner = self._inner(text)
            listed = inner._list(left)
            inner._expect("end", "")
            return listed
        if (kind, text) != ("sign", "("):
            raise self._syntax(text)
        values: list[Value] = []
        while True:
            node = self._primary()
            if not isinstance(node, Value):
                raise errors.not_implemented("a list of other values than literals", self.target)
            self._comparable(left, node)
            values.append(node)
            if not self._take("sign", ","):
                self._expect("sign", ")")
                return tuple(values)

    def _call(self, name: str) -> Node:
        if name not in FUNCTIONS:
            if name in OTHER_FUNCTIONS or "." in name:
                raise errors.not_implemented(name, self.target)
            raise self._syntax(f"{name}(")
        expected, kind = FUNCTIONS[name]
        arguments: list[Node] = []
        for number, kinds in enumerate(expected):
            if number:
                self._expect("sign", ",")
            argument = self._either()
            if argument.kind not in (*kinds, "null"):
                raise self._type(f"{name}({', '.join(' or '.join(each) for each in expected)})", name)
            arguments.append(argument)
        self._expect("sign", ")")
        return Call(name, tuple(arguments), kind)

    def _alias(self, name: str) -> Node:
        if name not in self.aliases:
            return self._counted(Value(None, "null"))  # as OData defines
        inner = self._inner(name)
        node = inner._either()
        inner._expect("end", "")
        return node

    def _inner(self, name: str) -> Parser:
        """The parser of an alias's value; an alias has no aliases in it. It counts into the same limits."""
        self.used.add(name)
        if name not in self.aliases:
            raise errors.invalid(f"{name} has no value", f"{name} không có giá trị", self.target)
        inner = Parser(self.entity_set, self.aliases[name], name, {})
        if any(kind == "name" and text.startswith("@") for kind, text in inner.tokens):
            raise errors.invalid("an alias in an alias", "bí danh lồng nhau", name)
        inner.values, inner.depth = self.values, self.depth
        self.values += sum(kind in LITERALS for kind, _ in inner.tokens)
        return inner

    def _literal(self, kind: str, text: str) -> Value:
        return self._counted(literal(kind, text, self.target))

    def _counted(self, value: Value) -> Value:
        self.values += 1
        if self.values > MOST_VALUES:
            raise errors.too_large(f"{MOST_VALUES} values", f"{MOST_VALUES} giá trị", self.target)
        return value

    def _compared(self, operator: str, left: Node, right: Node) -> Node:
        self._comparable(left, right)
        return Compare(operator, left, right)

    def _comparable(self, left: Node, right: Node) -> None:
        if "list" in (left.kind, right.kind):
            raise self._type("a single value; use any for a list", "một giá trị; với danh sách dùng any")
        if left.kind != right.kind and "null" not in (left.kind, right.kind):
            raise self._type(f"two values of one type, not {left.kind} and {right.kind}", "hai giá trị cùng kiểu")

    def _condition(self, node: Node) -> Node:
        if node.kind not in ("boolean", "null"):
            raise self._type("a condition; not, and, or take conditions: write not (a eq b)", "một điều kiện")
        return node

    def _operator(self, operators: tuple[str, ...]) -> str | None:
        kind, text = self.tokens[self.at]
        if kind == "name" and text in operators:
            self.at += 1
            return text
        return None

    def _take(self, kind: str, text: str) -> bool:
        is_next = self.tokens[self.at] == (kind, text)
        self.at += is_next
        return is_next

    def _next(self) -> tuple[str, str]:
        token = self.tokens[self.at]
        self.at += token[0] != "end"
        return token

    def _expect(self, kind: str, text: str) -> None:
        if not self._take(kind, text):
            raise self._syntax(self.tokens[self.at][1])

    @contextmanager
    def _level(self) -> Iterator[None]:
        self.depth += 1
        self._limit(self.depth)
        yield
        self.depth -= 1

    def _limit(self, levels: int) -> None:
        if levels > MOST_LEVELS + 1:
            raise errors.too_large(f"{MOST_LEVELS} levels", f"{MOST_LEVELS} cấp", self.target)

    def _syntax(self, text: str) -> errors.ApiError:
        return unreadable(text, self.target)

    def _type(self, expected: str, vietnamese: str) -> errors.ApiError:
        return errors.wrong_type(
            f"{self.target} needs {expected}", f"{self.target}: sai kiểu, cần {vietnamese}", self.target
        )
