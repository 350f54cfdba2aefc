"""The statements that prove a routing: of every kind, the same for the same seed, and none like another."""

import re
from collections import Counter

from wavetank.proxysql.statement_corpus import READS, WRITES, Statement, mark_of, mixed_statements


def test_the_same_seed_gives_the_same_statements() -> None:
    assert mixed_statements(300, 7) == mixed_statements(300, 7)
    assert mixed_statements(300, 7) != mixed_statements(300, 8)


def test_half_of_them_write() -> None:
    assert Counter(statement.writes for statement in mixed_statements()) == {True: 500, False: 500}


def test_every_form_comes_about_as_often_as_the_others_of_its_half() -> None:
    for writes, forms in ((True, WRITES), (False, READS)):
        often = Counter(each.form for each in mixed_statements() if each.writes == writes)
        assert often.keys() == forms.keys()
        assert max(often.values()) - min(often.values()) <= 1


def digest_of(statement: Statement) -> str:
    """Return the text without its literals and comments, about as a proxy or a server counts it."""
    bare = re.sub(r"/\*(?!!).*?\*/|(?:--\s|#)[^\n]*\n|'(?:[^']|'')*'|\"[^\"]*\"|\b[0-9]+\b", "?", statement.text)
    return " ".join(bare.split()).lower()


def test_no_two_have_a_digest_in_common() -> None:
    assert len({digest_of(statement) for statement in mixed_statements()}) == 1000


def test_each_holds_its_own_mark() -> None:
    for number, statement in enumerate(mixed_statements()):
        assert set(re.findall(r"routed_\d+", digest_of(statement))) == {mark_of(number)}
