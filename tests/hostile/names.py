"""What strangers call their files."""

PARTS = (
    "new\nline",
    "carriage\rreturn",
    'quo"te',
    "apo'strophe",
    "emoji\U0001f600\U0001f1e9",
    "bytes_\udcff\udcfe",
    "=cmd|' C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "<script>alert(1)</script>".replace("/", "\u2215"),
    "<img src=x onerror=alert(1)>",
    "\x1b[31mred\x1b]0;title\x07",
    "{{7*7}}",
    "${oc.env:HOME}",
    "%s%n",
    "a;=1;b",
    "a,b",
    "back\\slash",
    "\u202emirrored",
    "nul\u2400",
    " leading",
    "trailing ",
    "..",
    "...dots",
    "~",
    "-rf",
    "a" * 180,
    "é",
    "e\u0301",
    "\ufeffbom",
    "|pipe",
    "`tick`",
    "$(id)",
    "con",
    "\x7f",
    "\x01\x02",
    "[x]",
    "a=b",
    "CLASS",
    "\u3000=1",
    "＝1",
)


def hostile_name(rng, number, suffix):
    """A name that no other number has; not hidden, not a mask."""
    part = PARTS[rng.integers(len(PARTS))] if rng.random() < 0.5 else "plain"
    name = f"{part}{number}{suffix}"
    return f"x{name}" if name.startswith(".") else name
