import random
import re
import subprocess

import pytest

from covidnet.naming import cut, did_you_mean, listed_names, nearest, on_one_line, slug


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnet81", "resnet18"),
        ("RESNET34", "resnet34"),
        ("resnet_34", "resnet34"),
        ("densenet121", "DenseNet121"),
        ("restnet18", "resnet18"),
        ("qqq", None),
        ("", None),
    ],
)
def test_the_nearest_name(name, expected):
    assert nearest(name, ["resnet18", "resnet34", "DenseNet121"]) == expected


def test_no_valid_name_at_all():
    assert nearest("x", []) is None
    assert did_you_mean("x", []) == ""


def test_the_clause_for_a_message():
    assert did_you_mean("scal", iter(["rotation", "scale"])) == " Did you mean scale?"
    assert did_you_mean("qqq", ["scale"]) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[0.7,1.3]", "0.7-1.3"),
        ("augment.scale=[0.7,1.3]", "augment.scale-0.7-1.3"),
        ("timm/resnet18.a1_in1k", "timm-resnet18.a1_in1k"),
        ("../../etc/passwd", "etc-passwd"),
        ("-rf *", "rf"),
        ("a -- b", "a-b"),
        (".hidden", "hidden"),
        ("{a: 'b', \"c\": $HOME}", "a-b-c-HOME"),
        ("\N{LUNGS}", ""),
        ("", ""),
    ],
)
def test_slugs(text, expected):
    assert slug(text) == expected


def test_slugs_are_cut_without_a_loose_end():
    assert slug("x" * 100) == "x" * 40
    assert slug("x" * 39 + "-y") == "x" * 39
    assert slug("abc", limit=2) == "ab"


def test_any_text_becomes_a_name_that_shells_and_file_systems_take():
    rng = random.Random(0)
    alphabet = [chr(code) for code in range(1, 256)] + ["\N{LUNGS}", "日", "\udcff"]
    for _ in range(500):
        text = "".join(rng.choices(alphabet, k=rng.randrange(80)))
        name = slug(text)
        assert re.fullmatch(r"([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?", name)
        assert len(name) <= 40
        assert slug(name) == name


def test_a_shell_takes_a_slug_as_one_plain_word():
    name = slug("a b;c|d>e&f$(g)`h`*?[i]{j,k}!~#\\'\"")
    done = subprocess.run(["sh", "-c", f"printf '%s\\n' {name}"], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [name]


def test_a_name_stays_on_one_line():
    name = "a\nerror: b\r\x85\u2028c"
    assert on_one_line(name) == "a\\nerror: b\\r\\x85\\u2028c" and len(on_one_line(name).splitlines()) == 1


def test_long_names_are_cut_and_many_counted():
    assert cut("x" * 100) == "x" * 100
    assert cut("x" * 1_000_000) == "x" * 100 + "... (1,000,000 characters)"
    assert listed_names(["a", "b"]) == "a, b"
    assert listed_names([str(number) for number in range(14)], 3) == "0, 1, 2 and 11 more"
