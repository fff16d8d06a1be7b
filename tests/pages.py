"""Reading a page as a browser's parser does: elements with their attributes and texts."""

from html.parser import HTMLParser

VOID = {"meta", "link", "img", "input", "br"}
BLOCKS = {
    "td",
    "th",
    "tr",
    "li",
    "p",
    "dt",
    "dd",
    "h1",
    "h2",
    "h3",
    "option",
    "button",
    "caption",
    "figcaption",
    "summary",
}


class Page(HTMLParser):
    """All elements of a page in order; ``text`` is what stands outside scripts and styles."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.text, self.open = [], "", []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.text += " " if tag in BLOCKS else ""
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag in self.open:
            while self.open.pop() != tag:
                pass

    def handle_data(self, data):
        if not self.open or self.open[-1] not in {"script", "style"}:
            self.text += data

    def of(self, tag, **attributes):
        return [own for name, own in self.elements if name == tag and attributes.items() <= own.items()]

    @property
    def words(self):
        return " ".join(self.text.split())
