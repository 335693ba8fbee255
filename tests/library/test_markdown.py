"""Markdown tables: known answers, and text that tries to break out of its cell."""

import pytest

from cxr.markdown import link, table


def test_a_table_has_a_header_a_rule_and_a_line_for_each_row():
    assert table(("Split", "Images"), [("train", 7), ("test", None)]) == (
        "| Split | Images |\n|---|---|\n| train | 7 |\n| test | None |"
    )


def test_without_rows_the_header_remains():
    assert table(("Split",), []) == "| Split |\n|---|"


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("a|b", r"a\|b"),
        ("a\\", "a\\\\"),
        ("a\\|b", r"a\\\|b"),
        ("a\nb\r\n\nc\u2028d", "a b c d"),
        ("</td><script>alert(1)</script>", "&lt;/td&gt;&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("R&D &lt;", "R&amp;D &amp;lt;"),
        ("[title](https://example.org)", r"\[title\](https\://example.org)"),
        ("![](https://example.org/x.png)", r"!\[\](https\://example.org/x.png)"),
        ("see www.example.org or a@b.org", r"see www\.example.org or a\@b.org"),
        ("*bold* _it_ `code` ~~gone~~", r"\*bold\* \_it\_ \`code\` \~\~gone\~\~"),
        ("covid_19_a: 3", "covid_19_a: 3"),
        (link("[a]", "https://example.org/a_b"), r"[\[a\]](https://example.org/a_b)"),
    ],
)
def test_text_stays_in_its_cell(cell, expected):
    assert table(("name",), [(cell,)]).splitlines()[2:] == [f"| {expected} |"]


def test_headers_are_escaped_too():
    assert table(("external: a|b\n<i>",), []).splitlines()[0] == r"| external: a\|b &lt;i&gt; |"
