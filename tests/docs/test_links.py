"""Links, anchors and pictures of README.md and docs/*.md."""

import pytest
from support import ROOT
from written import PAGES, anchors, links, name

LINKS = [(page, line, target) for page in PAGES for line, target in links(page)]
RELATIVE = [link for link in LINKS if "://" not in link[2]]


def test_the_pages_link_to_each_other():
    assert len(RELATIVE) > 60


@pytest.mark.parametrize(("page", "line", "target"), RELATIVE, ids=[f"{name(p)}:{n}:{t}" for p, n, t in RELATIVE])
def test_the_link_leads_somewhere(page, line, target):
    path, _, anchor = target.partition("#")
    found = (page.parent / path).resolve() if path else page
    assert found.exists(), f"{name(page)}:{line}: {target} is not there"
    if anchor:
        assert anchor in anchors(found), f"{name(page)}:{line}: {name(found)} has no heading for #{anchor}"


def test_every_page_is_in_the_index():
    index = ROOT / "docs" / "README.md"
    listed = {(index.parent / target.partition("#")[0]).resolve() for _, target in links(index)}
    assert [name(page) for page in PAGES if page.parent == index.parent and page != index and page not in listed] == []


def test_pictures_are_small_and_have_words():
    pictures = sorted((ROOT / "docs" / "pictures").glob("*.png"))
    assert pictures
    assert [picture.name for picture in pictures if picture.stat().st_size > 150_000] == []
    shown = {
        target.rpartition("/")[2]
        for _, _, target in RELATIVE
        if target.endswith(".png") and "benchmarks/" not in target
    }
    assert shown == {picture.name for picture in pictures}
    assert "![](" not in "".join(page.read_text(encoding="utf-8") for page in PAGES)


def test_anchors_are_those_of_github(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# A [link](x.md), `code` and more: yes\n\n## Twice\n\n    # no heading\n\n## Twice\n")
    assert anchors(page) == {"a-link-code-and-more-yes", "twice", "twice-1"}
