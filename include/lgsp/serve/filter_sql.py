"""Compile a filter to a parameterised SQL condition with the nulls of OData.

A comparison is never null in OData: with a null operand it is false, and `not` of it is true. In SQL it would be null. So
each condition is compiled to the SQL that is true where it is true, or to the SQL that is true where it is false. `not`
swaps them, so no `coalesce` hides a column from its index. The SQL is never longer than a multiple of the filter.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

from psycopg.sql import SQL, Composable, Identifier, Placeholder

from lgsp.serve.filter_tree import AnyOf, Call, ColumnOf, Compare, In, Logic, Node, Value
from lgsp.serve.model import EntitySet

ZONE = "Asia/Ho_Chi_Minh"
OPERATORS = {"eq": "=", "ne": "<>", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}
NEGATED = {"gt": "<=", "ge": "<", "lt": ">=", "le": ">"}
TRUE, FALSE, NOTHING = SQL("true"), SQL("false"), SQL("")
FUNCTIONS = {
    "contains": SQL("strpos({}, {}) > 0"), "startswith": SQL("starts_with({}, {})"), "tolower": SQL("lower({})"), "toupper": SQL("upper({})"),
}  # fmt: skip
CASTS = {"string": SQL("::text"), "boolean": SQL("::boolean"), "date": SQL("::date"), "instant": SQL("::timestamptz"), "null": SQL("::text")}  # fmt: skip


class Compiler:
    """Compiles conditions on the rows `r`; `values` has the parameters by name.

    Where the database does not compare text by code point, `by_code_point` is `collate "C"`.
    """

    def __init__(self, by_code_point: Composable = NOTHING) -> None:
        self.by_code_point = by_code_point
        self.values: dict[str, Any] = {}

    def parameter(self, value: Any, kind: str = "number") -> Composable:
        """A placeholder for a value; its type is given where PostgreSQL could not infer it."""
        name = f"p{len(self.values)}"
        self.values[name] = value
        return Placeholder(name) + CASTS.get(kind, NOTHING)

    def condition(self, node: Node, is_true: bool = True) -> Composable:
        """The SQL that is true for exactly the rows for which a condition is true, or is false."""
        match node:
            case Logic("not"):
                return self.condition(node.operands[0], not is_true)
            case Logic():
                joined = " and " if (node.operator == "and") == is_true else " or "
                return SQL("({})").format(SQL(joined).join(self.condition(each, is_true) for each in node.operands))
            case Compare():
                return self._compared(node, is_true)
            case In():
                return self._in(node, is_true)
            case AnyOf():
                return self._any(node, is_true)
            case Value():
                return TRUE if node.value is is_true else FALSE
        value = self.value(node)
        return SQL("({})").format(value) if is_true else SQL("not ({})").format(value)

    def value(self, node: Node) -> Composable:
        """The SQL of an operand."""
        match node:
            case ColumnOf():
                return column(node.column.name)
            case Value():
                return self.parameter(node.value, node.kind)
            case Call():
                return self._call(node)
            case Logic("not"):
                return SQL("(not {})").format(self._truth(node.operands[0]))
            case Logic():  # SQL joins true, false and null as OData does
                return SQL("({})").format(SQL(f" {node.operator} ").join(self._truth(each) for each in node.operands))
        return SQL("coalesce({}, false)").format(self.condition(node))

    def _truth(self, node: Node) -> Composable:
        return SQL("null::boolean") if _is_null(node) else self.value(node)

    def _call(self, node: Call) -> Composable:
        arguments = [self.value(each) for each in node.arguments]
        first = node.arguments[0]
        if node.name in FUNCTIONS:
            return SQL("({})").format(FUNCTIONS[node.name].format(*arguments))
        if node.name == "endswith":
            again = self.value(node.arguments[1])
            return SQL("(right({0}, length({1})) = {2})").format(arguments[0], arguments[1], again)
        if first.kind == "null":
            return SQL("null::date") if node.name == "date" else SQL("null::integer")
        local = (
            SQL("({} at time zone {})").format(arguments[0], SQL(f"'{ZONE}'"))
            if first.kind == "instant"
            else arguments[0]
        )
        if node.name == "date":
            return SQL("({}::date)").format(local)
        return SQL("(extract({} from {})::integer)").format(SQL(node.name), local)

    def _compared(self, node: Compare, is_true: bool) -> Composable:
        operator, left, right = node.operator, node.left, node.right
        if _is_null(left):
            left, right = right, left
            operator = operator if operator in ("eq", "ne") else "none"
        if _is_null(right):
            return self._with_null(operator, left, is_true)
        if _is_not_a_number(left) or _is_not_a_number(right):
            return TRUE if (operator == "ne") == is_true else FALSE
        if _is_condition(left) or _is_condition(right):  # its SQL is long: it is not repeated to test it for null
            return self._conditions_compared(operator, left, right, is_true)
        if operator in ("eq", "ne"):
            return self._equal(left, right, (operator == "eq") == is_true)
        if is_true:
            return self._sql(left, OPERATORS[operator], right)
        nullable = [SQL("{} is null").format(self.value(each)) for each in (left, right) if _is_nullable(each)]
        return SQL("({})").format(SQL(" or ").join([self._sql(left, NEGATED[operator], right), *nullable]))

    def _conditions_compared(self, operator: str, left: Node, right: Node, is_true: bool) -> Composable:
        if operator in ("eq", "ne"):
            is_equal = (operator == "eq") == is_true
            return self._sql(left, "is not distinct from" if is_equal else "is distinct from", right)
        compared = SQL("coalesce({}, false)").format(self._sql(left, OPERATORS[operator], right))
        return compared if is_true else SQL("not {}").format(compared)

    def _with_null(self, operator: str, other: Node, is_true: bool) -> Composable:
        if operator not in ("eq", "ne"):
            return FALSE if is_true else TRUE
        if _is_null(other):
            return TRUE if (operator == "eq") == is_true else FALSE
        test = SQL("{} is null") if (operator == "eq") == is_true else SQL("{} is not null")
        return test.format(self.value(other))

    def _equal(self, left: Node, right: Node, is_equal: bool) -> Composable:
        if _is_nullable(left) and _is_nullable(right):
            return self._sql(left, "is not distinct from" if is_equal else "is distinct from", right)
        if is_equal:
            return self._sql(left, "=", right)
        nullable = [SQL("{} is null").format(self.value(each)) for each in (left, right) if _is_nullable(each)]
        return SQL("({})").format(SQL(" or ").join([self._sql(left, "<>", right), *nullable]))

    def _sql(self, left: Node, operator: str, right: Node) -> Composable:
        order = self.by_code_point if left.kind == "string" and operator[0] in "<>" and operator != "<>" else NOTHING
        return SQL("{} {} {}{}").format(self.value(left), SQL(operator), self.value(right), order)

    def _in(self, node: In, is_true: bool) -> Composable:
        if _is_null(node.left):
            return TRUE if any(_is_null(each) for each in node.values) == is_true else FALSE
        values = [each for each in node.values if not _is_null(each) and not _is_not_a_number(each)]
        has_null = len(values) < len(node.values) and any(_is_null(each) for each in node.values)
        if _is_condition(node.left):
            listed = SQL(", ").join(self.value(each) for each in values) if values else SQL("null")
            found = SQL("coalesce({} in ({}), {})").format(self.value(node.left), listed, TRUE if has_null else FALSE)
            return found if is_true else SQL("not {}").format(found)
        conditions = []
        if values:
            listed = SQL(", ").join(self.value(each) for each in values)
            conditions.append(
                SQL("{} {} ({})").format(self.value(node.left), SQL("in" if is_true else "not in"), listed)
            )
        if _is_nullable(node.left) and (has_null or (values and not is_true)):
            is_null = SQL("{} is null") if is_true or not has_null else SQL("{} is not null")
            conditions.append(is_null.format(self.value(node.left)))
        if not conditions:
            return FALSE if is_true else TRUE
        joined = " and " if has_null and not is_true else " or "
        return SQL("({})").format(SQL(joined).join(conditions))

    def _any(self, node: AnyOf, is_true: bool) -> Composable:
        name = column(node.column.name)
        if node.values is None:
            return SQL("({})").format(
                SQL("cardinality({}) > 0" if is_true else "coalesce(cardinality({}), 0) = 0").format(name)
            )
        texts = [each.value for each in node.values if not _is_null(each)]
        has_one = SQL("{} && {}::text[]").format(name, self.parameter(texts))
        if len(texts) < len(node.values):
            has_one = SQL("({} or array_position({}, null) > 0)").format(has_one, name)
        return has_one if is_true else SQL("({} is null or not {})").format(name, has_one)


def column(name: str) -> Composable:
    """A column of the rows `r`."""
    return Identifier("r", name)


def searched(compiler: Compiler, entity_set: EntitySet, words: Sequence[str]) -> Composable:
    """The condition that all words occur in one of the columns, without accents and case."""
    texts = [_words_sql(_letters_sql(entity_set, name)) for name in entity_set.searched]
    patterns = [compiler.parameter(f" {word} ", "string") for word in words]
    each = [SQL("({})").format(SQL(" and ").join(SQL("strpos({}, {}) > 0").format(text, pattern) for pattern in patterns)) for text in texts]  # fmt: skip
    return SQL("({})").format(SQL(" or ").join(each))


def plain(text: str) -> str:
    """A text as `$search` compares it: lower case, without accents, words separated by one blank."""
    letters = unicodedata.normalize("NFD", text.lower()).replace("đ", "d")
    kept = "".join(sign for sign in letters if not "\u0300" <= sign <= "\u036f")
    return " ".join("".join(sign if sign.isascii() and sign.isalnum() else " " for sign in kept).split())


def _letters_sql(entity_set: EntitySet, name: str) -> Composable:
    """The SQL of a column in lower case without accents; rows of old snapshots lack the column that has it."""
    letters = SQL("regexp_replace(replace(normalize(lower({}), NFD), 'đ', 'd'), '[\u0300-\u036f]', '', 'g')").format(
        column(name)
    )
    key = f"{name}_search"
    return SQL("coalesce({}, {})").format(column(key), letters) if key in entity_set.columns else letters


def _words_sql(letters: Composable) -> Composable:
    """The SQL of the words of a text, each with a blank before and after, as `plain` makes them."""
    return SQL("(' ' || regexp_replace({}, '[^a-z0-9]+', ' ', 'g') || ' ')").format(letters)


def _is_null(node: Node) -> bool:
    return isinstance(node, Value) and node.value is None


def _is_condition(node: Node) -> bool:
    return isinstance(node, Compare | In | AnyOf | Logic)


def _is_not_a_number(node: Node) -> bool:
    return isinstance(node, Value) and node.value != node.value


def _is_nullable(node: Node) -> bool:
    match node:
        case ColumnOf():
            return not (node.column.is_required or node.column.is_key)
        case Value():
            return node.value is None
        case Call():
            return any(_is_nullable(each) for each in node.arguments)
        case Logic():
            return any(_is_nullable(each) for each in node.operands)
    return False
