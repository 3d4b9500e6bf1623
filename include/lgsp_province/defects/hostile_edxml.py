"""Lists hostile and malformed messages sent in place of edXML (D37); a reader must reject all of them."""

from functools import cache

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>'


def _bomb() -> str:
    entities = '<!ENTITY a0 "ha">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    return f"{_HEAD}<!DOCTYPE edXML [{entities}]><edXML>&a9;</edXML>"


def _quadratic() -> str:
    return f'{_HEAD}<!DOCTYPE edXML [<!ENTITY a "{"a" * 5_000}">]><edXML>{"&a;" * 5_000}</edXML>'


@cache
def messages() -> tuple[str, ...]:
    """One message of each kind, including very large ones."""
    return (
        _bomb(),
        _quadratic(),
        f'{_HEAD}<!DOCTYPE edXML [<!ENTITY e SYSTEM "file:///etc/passwd">]><edXML><Subject>&e;</Subject></edXML>',
        f'{_HEAD}<!DOCTYPE edXML SYSTEM "http://127.0.0.1:9/edxml.dtd"><edXML/>',
        f'{_HEAD}<!DOCTYPE edXML [<!ENTITY % p SYSTEM "http://127.0.0.1:9/p"> %p;]><edXML/>',
        f"{_HEAD}<!-- --><!DOCTYPE edXML><edXML/>",
        '<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE edXML+AD4-<edXML/>',
        "\ufeff" + "\x00".join('<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE e><e/>'),
        "<edXML>" * 3_000,
        "<edXML>" + "<a>" * 1_000 + "</a>" * 1_000 + "</edXML>",
        "<edXML><MessageHeader><Subject>V/v\x01báo cáo</Subject></MessageHeader></edXML>",
        '<edXML><?xml-stylesheet href="http://127.0.0.1:9/x.xsl"?><MessageHeader/></edXML>',
        "<edXML><MessageHeader><DocumentId>000.00.07.H47<!-- -->,2021/06/18,1/TB</DocumentId></MessageHeader></edXML>",
        "<edXML>" + "<a/>" * 220_000 + "</edXML>",
        "<edXML><MessageHeader><Content>" + "A" * 11_000_000 + "</Content></MessageHeader></edXML>",
        "<html><body><h1>502 Bad Gateway</h1></body></html>",
        '{"edxml": "JSON in JSON"}',
        "<edXML><MessageHeader><From>",
        "",
    )


def message(bits: int) -> str:
    """One of the messages under 100,000 characters, chosen by `bits`; only tests use the larger ones."""
    return _small()[bits % len(_small())]


@cache
def _small() -> tuple[str, ...]:
    return tuple(text for text in messages() if "<" in text and len(text) < 100_000)
