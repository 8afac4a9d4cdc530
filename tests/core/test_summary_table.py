from ictal.core.summary_table import SummaryTable, html_of


def test_html_is_escaped_and_numbers_are_on_the_right():
    table = SummaryTable(("name", "n"), (("<b>", "1"), ("a & b", "2\n1–3")), "KL < 1", frozenset({1}), frozenset({1}))
    html = html_of("1 < 2", table)
    assert "<p>1 &lt; 2</p>" in html
    assert "<caption>KL &lt; 1</caption>" in html
    assert '<td style="text-align: left">&lt;b&gt;</td>' in html
    assert '<td style="text-align: right">2<br>1–3</td>' in html
    assert html.count("opacity") == html.count("border-top") == 1
