"""What README.md and docs/*.md hold: commands, links, anchors, Python examples."""

import re
import shlex
from dataclasses import dataclass

from support import ROOT

PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
PROGRAMS = ("python", "make", "pip", "tensorboard", "git", "source")
_PROGRAM = re.compile(rf"(?:\S*/)?(?:{'|'.join(PROGRAMS)})(?= )")
_INLINE = re.compile(r"`([^`\n]+)`")
_FENCE = re.compile(r"^```(\w*)\s*$")


@dataclass(frozen=True)
class Command:
    """A command as it stands in a page, and where."""

    page: str
    line: int
    text: str

    @property
    def where(self):
        return f"{self.page}:{self.line}"

    @property
    def words(self):
        """The command's words as a shell reads them, without a comment."""
        return shlex.split(self.text, comments=True)


def name(page):
    return page.relative_to(ROOT).as_posix()


def commands(page):
    """Every command of a page: lines of code blocks that start with a program, and inline code that does."""
    found = []
    for number, line, is_code in _joined(page.read_text(encoding="utf-8")):
        texts = [_without_remark(line.strip())] if is_code else _INLINE.findall(line)
        found += [Command(name(page), number, text) for text in texts if _PROGRAM.match(text)]
    return found


def all_commands():
    return [command for page in PAGES for command in commands(page)]


def lines_of_code(page):
    """Every line that stands in a code block, with its number."""
    return [(number, line) for number, line, is_code in _joined(page.read_text(encoding="utf-8")) if is_code]


def python_examples(page):
    """Fenced Python of a page, with the number of its first line."""
    text = page.read_text(encoding="utf-8")
    found = re.finditer(r"^```python\n(.*?)^```", text, re.M | re.S)
    return [(text[: match.start()].count("\n") + 2, match[1]) for match in found]


def links(page):
    """Targets of links and pictures, with their lines; those in code are none."""
    found = []
    for number, line, is_code in _joined(page.read_text(encoding="utf-8")):
        if not is_code:
            found += [(number, match[1]) for match in re.finditer(r"\]\(([^)\s]+)\)", _INLINE.sub("", line))]
            found += [(number, match[1]) for match in re.finditer(r"""(?:src|srcset|href)=["']([^"']+)""", line)]
    return found


def anchors(page):
    """The anchors that GitHub makes of a page's headings."""
    found, seen = set(), {}
    for _, line, is_code in _joined(page.read_text(encoding="utf-8")):
        heading = re.match(r"#{1,6} +(.+?)\s*#*$", line)
        if heading and not is_code:
            words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading[1]).lower()
            slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
            seen[slug] = seen.get(slug, -1) + 1
            found.add(slug if seen[slug] == 0 else f"{slug}-{seen[slug]}")
    return found


def _joined(text):
    """Lines with their numbers and whether they are code; lines that end with a backslash take in the next one."""
    fenced, begun = False, None
    previous_blank, indented = True, False
    for number, line in enumerate(text.splitlines(), 1):
        if _FENCE.match(line):
            fenced = not fenced
            continue
        if line.strip() and not fenced:
            # A block of indented code begins after an empty line; within a list the same indentation is text.
            indented = line.startswith("    ") and (previous_blank or indented)
        previous_blank = not line.strip()
        is_code = fenced or indented
        if begun is not None:
            first, start = begun
            line, number, begun = f"{start} {line.strip()}", first, None
        if is_code and line.endswith("\\"):
            begun = number, line[:-1].rstrip()
            continue
        yield number, line, is_code


def _without_remark(line):
    """Without what follows two or more spaces outside quotes: the page's words about the command."""
    quote = ""
    for position, sign in enumerate(line):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif line[position : position + 2] == "  ":
            return line[:position]
    return line
