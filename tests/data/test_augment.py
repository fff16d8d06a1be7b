from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import kstest
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as reference

from covidnet.data import augment as augment_module
from covidnet.data.augment import DRAWS, Augmentation, affine, epoch_draws, epoch_noise_seeds

pytestmark = pytest.mark.usefixtures("one_thread")

SHAPES = [(3, 64, 64), (1, 48, 80), (3, 81, 50), (1, 33, 33)]
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]
ARTICLE = Augmentation(rotation=20, scale=(0.7, 1.3))
EVERYTHING = Augmentation(
    rotation=20,
    scale=(0.7, 1.3),
    translation=(0.1, 0.05),
    horizontal_flip=0.5,
    brightness=0.4,
    contrast=0.4,
    noise=0.1,
    fill=0.3,
)


def smooth_images(rng, count, channels, height, width):
    """Random images whose neighbouring pixels differ by at most about a third, in [0, 1]."""
    coarse = torch.from_numpy(rng.random((count, channels, height // 4 + 2, width // 4 + 2), dtype=np.float32))
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear", align_corners=True)


def random_parameters(rng, count, height, width):
    return {
        "angle": torch.from_numpy(rng.uniform(-180, 180, count)),
        "zoom": torch.from_numpy(rng.uniform(0.4, 2.5, count)),
        "shift": torch.from_numpy(rng.uniform(-0.4, 0.4, (count, 2)) * (width, height)),
        "flip": torch.from_numpy(rng.random(count) < 0.5),
    }


def by_torchvision(images, angle, zoom, shift, flip, mode="bilinear", fill=None):
    """The same changes of one image after the other, by torchvision's own functions."""
    warped = [
        reference.affine(
            reference.horizontal_flip(image) if flip[row] else image,
            angle=float(angle[row]),
            translate=shift[row].tolist(),
            scale=float(zoom[row]),
            shear=[0.0, 0.0],
            interpolation=InterpolationMode(mode),
            fill=None if fill is None else [fill] * len(image),
        )
        for row, image in enumerate(images)
    ]
    return torch.stack(warped)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("shape", SHAPES)
def test_equal_to_torchvisions_affine(shape, device):
    """Tolerance: float32 knows a position in these images to about 1e-5 pixels, and neighbours differ by at most 1."""
    rng = np.random.default_rng(sum(shape))
    images = smooth_images(rng, 60, *shape).to(device)
    parameters = {name: value.to(device) for name, value in random_parameters(rng, 60, *shape[1:]).items()}
    ours = affine(images, **parameters)
    assert ours.shape == images.shape and ours.dtype == images.dtype
    assert (ours - by_torchvision(images, **parameters)).abs().max() < 1e-4
    assert (ours - images).abs().mean() > 0.05  # it did something
    assert (ours == 0).float().mean() > 0.05  # and the border came into view


@pytest.mark.parametrize("shape", SHAPES)
def test_a_fill_is_equal_to_torchvisions_except_on_the_edge(shape):
    rng = np.random.default_rng(sum(shape))
    images = smooth_images(rng, 60, *shape)
    parameters = random_parameters(rng, 60, *shape[1:])
    inside = by_torchvision(torch.ones_like(images), **parameters)  # the share of each pixel that lies in the image
    edge = (inside > 1e-5) & (inside < 1 - 1e-5)
    ours = affine(images, **parameters, fill=0.6)
    theirs = by_torchvision(images, **parameters, fill=0.6)
    assert (ours - theirs)[~edge].abs().max() < 1e-4
    assert 0.001 < edge.float().mean() < 0.1
    mixed = by_torchvision(images, **parameters) + 0.6 * (1 - inside)
    assert (ours - mixed).abs().max() < 1e-4


@pytest.mark.parametrize("fill", [0.0, 0.6])
@pytest.mark.parametrize("shape", SHAPES)
def test_nearest_takes_the_pixels_that_torchvision_takes(shape, fill):
    """Rounding decides where a position falls just between two pixels: 999 of 1000 pixels must be the very same."""
    rng = np.random.default_rng(sum(shape))
    images = torch.from_numpy(rng.random((60, *shape), dtype=np.float32))
    parameters = random_parameters(rng, 60, *shape[1:])
    ours = affine(images, **parameters, mode="nearest", fill=fill)
    # Adding and taking away the fill may change a value's last bit.
    same = (ours - by_torchvision(images, **parameters, mode="nearest", fill=fill)).abs() < 1e-6
    assert same.float().mean() > 0.999
    assert (affine(images, **parameters, fill=fill) - ours).abs().mean() > 0.02  # bilinear is something else


@pytest.mark.parametrize(
    ("angle", "zoom", "shift", "flip"),
    [(90, 1, (0, 0), False), (-13, 0.8, (0, 0), False), (0, 1, (5, -3), True), (30, 1.2, (-7, 2), True)],
)
def test_one_parameter_at_a_time(angle, zoom, shift, flip):
    images = smooth_images(np.random.default_rng(0), 1, 1, 40, 56)
    parameters = {
        "angle": torch.tensor([float(angle)]),
        "zoom": torch.tensor([float(zoom)]),
        "shift": torch.tensor([shift], dtype=torch.float32),
        "flip": torch.tensor([flip]),
    }
    assert (affine(images, **parameters) - by_torchvision(images, **parameters)).abs().max() < 1e-4


def still(count, **changed):
    values = {"angle": torch.zeros(count), "zoom": torch.ones(count), "shift": torch.zeros(count, 2)}
    return values | {"flip": torch.zeros(count, dtype=torch.bool)} | changed


def test_directions_are_those_that_the_docstring_names():
    dot = torch.zeros(1, 1, 41, 41)
    dot[0, 0, 10, 20] = 1.0  # above the centre

    def place(**changed):
        moved = affine(dot, **still(1, **changed), mode="nearest")
        return divmod(int(moved.argmax()), 41)

    assert place() == (10, 20)
    assert place(angle=torch.tensor([90.0])) == (20, 30)  # clockwise: to the right
    assert place(shift=torch.tensor([[3.0, 5.0]])) == (15, 23)  # right and down
    assert place(zoom=torch.tensor([0.5]))[0] == 15  # towards the centre
    dot[0, 0, 10, 20], dot[0, 0, 20, 5] = 0.0, 1.0
    assert place(flip=torch.tensor([True])) == (20, 35)


def test_each_image_has_parameters_of_its_own():
    images = smooth_images(np.random.default_rng(1), 1, 1, 32, 32).expand(3, -1, -1, -1)
    moved = affine(images, **still(3, angle=torch.tensor([0.0, 10.0, 20.0])))
    assert torch.allclose(moved[0], images[0], atol=1e-6)
    assert not torch.allclose(moved[1], moved[2], atol=0.01)


def test_what_lies_outside_is_filled():
    images = torch.ones(2, 3, 20, 30)
    moved = affine(images, **still(2, zoom=torch.full((2,), 0.5)), fill=0.25)
    assert (moved[:, :, :4] == 0.25).all() and (moved[:, :, -4:] == 0.25).all()
    assert torch.allclose(moved[:, :, 7:13, 10:20], torch.ones(1), atol=1e-6)


def draws_of(count, seed=0, epoch=0):
    return torch.from_numpy(epoch_draws(seed, epoch, count))


def test_nothing_on_changes_nothing():
    images = torch.rand(4, 3, 16, 16)
    assert Augmentation()(images, draws_of(4), [0] * 4) is images
    assert Augmentation(scale=[1.0, 1.0], translation=[0.0, 0.0])(images, draws_of(4), [0] * 4) is images


@pytest.mark.parametrize(
    "only",
    [
        {"rotation": 10.0},
        {"scale": (0.9, 1.1)},
        {"translation": (0.1, 0.0)},
        {"horizontal_flip": 0.99},
        {"brightness": 0.1},
        {"contrast": 0.1},
        {"noise": 0.01},
    ],
)
def test_each_change_alone_changes_something(only):
    images = torch.rand(4, 1, 16, 16) * 0.5 + 0.25
    changed = Augmentation(**only)(images, draws_of(4), [1, 2, 3, 4])
    assert changed.shape == images.shape
    assert not torch.allclose(changed, images, atol=1e-4)


@pytest.mark.parametrize("augmentation", [ARTICLE, EVERYTHING, replace(EVERYTHING, interpolation="nearest", noise=1.0)])
@pytest.mark.parametrize("channels", [1, 3])
def test_values_stay_in_range(augmentation, channels):
    images = torch.cat([torch.rand(30, channels, 24, 24), torch.zeros(1, channels, 24, 24)])
    images = torch.cat([images, torch.ones(1, channels, 24, 24)])
    changed = augmentation(images, draws_of(32), range(32))
    assert changed.min() >= 0.0 and changed.max() <= 1.0
    assert torch.isfinite(changed).all()


def test_the_batch_that_is_given_is_left_alone():
    images = torch.rand(4, 1, 16, 16)
    kept = images.clone()
    EVERYTHING(images, draws_of(4), range(4))
    assert torch.equal(images, kept)


@pytest.fixture
def recorded(monkeypatch):
    """The parameters of every call of `affine`."""
    calls = []

    def recording(images, **parameters):
        calls.append(parameters)
        return images

    monkeypatch.setattr(augment_module, "affine", recording)
    return calls


def test_the_parameters_are_uniform_over_what_was_asked(recorded):
    """Kolmogorov-Smirnov on 10000 draws: a range that is wrong by 3 % would show with certainty."""
    count = 10_000
    augmentation = Augmentation(rotation=20, scale=(0.7, 1.3), translation=(0.1, 0.05), horizontal_flip=0.3)
    augmentation(torch.zeros(count, 1, 40, 60), draws_of(count), [0] * count)
    (parameters,) = recorded
    across, down = parameters["shift"].T
    samples = {
        "angle": (parameters["angle"], -20, 20),
        "zoom": (parameters["zoom"], 0.7, 1.3),
        "right": (across, -6, 6),  # a tenth of the width of 60
        "down": (down, -2, 2),
    }
    for name, (values, low, high) in samples.items():
        assert low <= values.min() and values.max() <= high, name
        assert kstest(values.numpy(), "uniform", args=(low, high - low)).pvalue > 0.001, name
    assert parameters["flip"].float().mean() == pytest.approx(0.3, abs=0.02)
    together = np.corrcoef([values.numpy() for values, _, _ in samples.values()])
    assert np.abs(together - np.eye(4)).max() < 0.04


def test_settings_reach_the_warp(recorded):
    Augmentation(rotation=5, interpolation="nearest", fill=0.5)(torch.zeros(2, 1, 8, 8), draws_of(2), [0, 0])
    assert recorded[0]["mode"] == "nearest"
    assert recorded[0]["fill"] == 0.5
    assert (recorded[0]["zoom"] == 1).all() and (recorded[0]["shift"] == 0).all() and not recorded[0]["flip"].any()


@pytest.mark.parametrize(("probability", "share"), [(1.0, 1.0), (0.5, 0.5)])
def test_flipping_mirrors_left_and_right(probability, share):
    images = smooth_images(np.random.default_rng(2), 400, 1, 8, 10)
    flipped = Augmentation(horizontal_flip=probability)(images, draws_of(400), [0] * 400)
    mirrored = torch.isclose(flipped, images.flip(3), atol=1e-5).all(dim=3).all(dim=2).all(dim=1)
    kept = torch.isclose(flipped, images, atol=1e-5).all(dim=3).all(dim=2).all(dim=1)
    assert (mirrored | kept).all()
    assert mirrored.float().mean() == pytest.approx(share, abs=0.1 if share < 1 else 0)


def test_brightness_multiplies_by_a_uniform_factor():
    images = torch.full((5000, 1, 1, 1), 0.5)
    changed = Augmentation(brightness=0.4)(images, draws_of(5000), [0] * 5000).flatten() / 0.5
    assert kstest(changed.numpy(), "uniform", args=(0.6, 0.8)).pvalue > 0.001
    bright = Augmentation(brightness=1.0)(torch.full((100, 1, 1, 1), 0.9), draws_of(100), [0] * 100)
    assert bright.max() == 1.0  # cut off, where the factor is above 1 / 0.9


def test_contrast_multiplies_the_distance_from_the_images_own_mean():
    images = smooth_images(np.random.default_rng(3), 2000, 1, 6, 6) * 0.4 + 0.3
    changed = Augmentation(contrast=0.4)(images, draws_of(2000), [0] * 2000)
    assert torch.allclose(changed.mean(dim=(1, 2, 3)), images.mean(dim=(1, 2, 3)), atol=1e-5)
    factors = changed.std(dim=(1, 2, 3)) / images.std(dim=(1, 2, 3))
    assert kstest(factors.numpy(), "uniform", args=(0.6, 0.8)).pvalue > 0.001


def test_noise_has_the_asked_deviation_and_comes_from_each_images_seed():
    images = torch.full((3, 1, 100, 100), 0.5)
    noisy = Augmentation(noise=0.05)
    grain = [noisy(images, draws_of(3), seeds) - 0.5 for seeds in ([1, 2, 3], [1, 2, 3], [4, 2, 1])]
    assert grain[0].std() == pytest.approx(0.05, rel=0.02)
    assert grain[0].mean() == pytest.approx(0.0, abs=0.001)
    assert torch.equal(grain[0], grain[1])
    assert torch.equal(grain[2][2], grain[0][0]) and torch.equal(grain[2][1], grain[0][1])
    assert not torch.equal(grain[2][0], grain[0][0])
    assert abs(np.corrcoef(grain[0][0].flatten(), grain[0][1].flatten())[0, 1]) < 0.05


def test_a_grey_batch_is_changed_as_its_repeated_self():
    grey = torch.rand(6, 1, 20, 20)
    once = EVERYTHING(grey, draws_of(6), range(6)).expand(-1, 3, -1, -1)
    repeated = EVERYTHING(grey.expand(-1, 3, -1, -1).contiguous(), draws_of(6), range(6))
    assert torch.allclose(once, repeated, atol=1e-6)  # the mean of three equal channels may differ in the last bit


@pytest.mark.parametrize("shape", [(1, 24, 24), (3, 30, 20)])
def test_an_image_does_not_depend_on_its_batch(shape):
    images, draws, seeds = torch.rand(12, *shape), draws_of(12), epoch_noise_seeds(0, 0, 12)
    together = EVERYTHING(images, draws, seeds)
    for rows in ([0], [3, 1], [11, 5, 4, 8, 2], list(range(1, 12))):
        assert torch.equal(EVERYTHING(images[rows], draws[rows], seeds[rows]), together[rows])


@pytest.mark.parametrize("numbers", [epoch_draws, epoch_noise_seeds])
def test_random_numbers_depend_on_seed_epoch_and_image_only(numbers):
    first = numbers(7, 3, 50)
    assert np.array_equal(numbers(7, 3, 50), first)
    np.random.default_rng(0).random(10)
    torch.rand(10)
    assert np.array_equal(numbers(7, 3, 20), first[:20])  # however many images there are
    assert not np.array_equal(numbers(7, 4, 50), first)
    assert not np.array_equal(numbers(8, 3, 50), first)
    assert not np.array_equal(numbers(3, 7, 50), first)


def test_draws_are_uniform_in_every_column_and_of_a_fixed_kind():
    draws = epoch_draws(0, 0, 5000)
    assert draws.shape == (5000, DRAWS) and draws.dtype == np.float32
    assert draws.min() >= 0 and draws.max() < 1
    for column in draws.T:
        assert kstest(column, "uniform").pvalue > 0.001
    assert np.abs(np.corrcoef(draws.T) - np.eye(DRAWS)).max() < 0.06


def test_zero_is_a_seed_like_any_other():
    seeds = [0, 1, 2, 2**32 - 1]
    tables = {(seed, epoch): epoch_draws(seed, epoch, 8).tobytes() for seed in seeds for epoch in range(3)}
    assert len(set(tables.values())) == len(tables)
    assert np.array_equal(epoch_draws(0, 0, 8), epoch_draws(0, 0, 8))


def test_no_two_images_share_their_noise():
    assert len(set(epoch_noise_seeds(0, 0, 10_000).tolist())) == 10_000


@pytest.mark.parametrize("angle", [-15.0, 7.5])
def test_filling_from_the_edge_is_keras_fill_mode_nearest(angle):
    """Keras's apply_affine_transform is scipy's, with order 1 and mode "nearest"."""
    from scipy.ndimage import affine_transform

    rng = np.random.default_rng(5)
    images = torch.from_numpy(rng.random((1, 1, 24, 24), dtype=np.float32))
    none = torch.zeros(1)
    ours = affine(images, torch.tensor([angle]), none + 1, torch.zeros(1, 2), none > 0, fill="edge")[0, 0]
    theta = np.deg2rad(angle)  # of rows and columns, from places in the result to places in the image
    matrix = np.array([[np.cos(theta), -np.sin(theta)], [np.sin(theta), np.cos(theta)]])
    offset = 11.5 - matrix @ [11.5, 11.5]
    theirs = affine_transform(images[0, 0].numpy(), matrix, offset, order=1, mode="nearest")
    np.testing.assert_allclose(ours, theirs, atol=2e-5)
    assert (ours[:2, :2] > 0).all()


def test_a_fill_from_the_edge_reaches_the_batch():
    images = torch.ones(2, 1, 16, 16)
    draws = torch.from_numpy(epoch_draws(0, 0, 2))
    seeds = epoch_noise_seeds(0, 0, 2).tolist()
    torch.testing.assert_close(Augmentation(rotation=40, fill="edge")(images, draws, seeds), images)
    assert Augmentation(rotation=40)(images, draws, seeds).min() == 0
