import io

import numpy as np
import pytest
from PIL import Image

from covidnet.audit.duplicates import Pair, candidate_pairs, find_duplicates, groups, hash_pictures, identical_files
from covidnet.audit.registration import Picture, match_pictures
from covidnet.data.phantoms import PhantomSpec, draw_phantom, plan_phantoms

COUNT = 16


@pytest.fixture(scope="module")
def films():
    plan = list(plan_phantoms(PhantomSpec(COUNT, seed=5)))
    return [Image.fromarray(draw_phantom(p.anatomy, p.acquisition, p.opacity)) for p in plan]


def view(film):
    squeezed = film.convert("L").resize((224, 224), Image.Resampling.BILINEAR)
    return np.asarray(squeezed.resize((128, 128), Image.Resampling.BOX))


def reencoded(film):
    stream = io.BytesIO()
    film.save(stream, "JPEG", quality=30)
    return Image.open(stream)


def cropped(film):
    width, height = film.size
    return film.crop((round(0.02 * width), round(0.06 * height), round(0.97 * width), round(0.96 * height)))


def darkened(film):
    return film.point([round(255 * (level / 255) ** 1.5) for level in range(256)])


ALTERED = {
    "re-encoded": (reencoded, "copy"),
    "halved": (lambda film: film.resize((film.width // 2, film.height // 2)), "copy"),
    "mirrored": (lambda film: film.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "mirrored copy"),
    "cropped": (cropped, "cropped copy"),
    "darker": (darkened, "copy"),
    "mirrored and cropped": (
        lambda film: cropped(film.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
        "mirrored and cropped copy",
    ),
}


@pytest.mark.parametrize("name", ALTERED)
def test_altered_copies_are_found_and_nothing_else(films, name):
    alter, kind = ALTERED[name]
    views = np.array([view(film) for film in films] + [view(alter(film)) for film in films[:6]])
    pairs = find_duplicates(views, [str(i) for i in range(len(views))])
    assert [(pair.first, pair.second) for pair in pairs] == [(i, COUNT + i) for i in range(6)]
    assert {pair.kind for pair in pairs} == {kind}


def test_a_rough_copy_is_told_from_another_film_by_far(films):
    first = Picture(view(films[0]))
    assert match_pictures(first, Picture(view(darkened(cropped(films[0]))))).similarity > 0.95
    others = [match_pictures(first, Picture(view(film))).similarity for film in films[1:]]
    assert max(others) < 0.85


def test_the_same_bytes_are_one_file():
    assert identical_files(["a", "b", "a", "a"]) == [
        Pair(0, 2, "identical file", 1.0),
        Pair(0, 3, "identical file", 1.0),
    ]
    blank = np.zeros((3, 128, 128), dtype=np.uint8)
    assert find_duplicates(blank[:1], ["a"]) == []
    assert {pair.kind for pair in find_duplicates(blank[:2], ["a", "a"])} == {"identical file"}


def test_candidates_are_few_per_picture(films):
    pairs = candidate_pairs(hash_pictures(np.array([view(film) for film in films])))
    assert all(first < second for first, second in pairs)
    assert len(pairs) <= 3 * COUNT and len(set(pairs)) == len(pairs)


def test_groups_follow_chains():
    pairs = [Pair(1, 5, "copy", 1.0), Pair(3, 4, "copy", 1.0), Pair(5, 9, "copy", 1.0)]
    assert groups(pairs) == [[1, 5, 9], [3, 4]]
