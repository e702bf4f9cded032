"""Places where a glimpse shows something."""

import pytest

torch = pytest.importorskip("torch")

from agents.ram.salience import salient_places  # noqa: E402


def test_salient_places_are_at_what_a_glimpse_shows_but_not_where_it_was_seen_before():
    """A glimpse of 8x8 at three scales of a 60 x 60 image; its coarsest patch has a lit pixel that is new, one near an earlier glimpse, and
    one in the finest patch."""
    pixels, size = torch.zeros(1, 3, 8, 8), torch.tensor([2 / 60, 2 / 60])
    pixels[0, 2, 1, 6] = pixels[0, 2, 6, 1] = pixels[0, 2, 4, 4] = pixels[0, 0, 3, 3] = 1.0
    here, lit = torch.tensor([0.1, -0.1]), torch.tensor([2.5, -2.5]) * 4 * size
    seen = torch.stack([here - lit, here])[None]
    places = salient_places(pixels, 3, here[None], size, 200, seen)[:, 0]
    hit = ((places - here - lit).abs() <= 2 * size + 1e-6).all(-1)
    assert hit.float().mean() > 0.9  # but now and then where there is no contrast
    everywhere = salient_places(pixels, 3, here[None], size, 200)[:, 0]  # where all may have changed since
    assert ((everywhere - here + lit).abs() <= 2 * size + 1e-6).all(-1).float().mean() > 0.15


def test_images_of_several_sizes_have_places_of_their_own():
    pixels, seen = torch.rand(2, 3, 6, 6), torch.rand(2, 1, 2) - 0.5
    sizes = torch.tensor([[2 / 60, 2 / 30], [2 / 400, 2 / 300]])
    drawn = [torch.Generator().manual_seed(0) for _ in range(3)]
    together = salient_places(pixels, 3, seen[:, 0], sizes, 50, seen, drawn[0])
    for lane, size in enumerate(sizes):
        alone = salient_places(pixels, 3, seen[:, 0], size, 50, seen, drawn[1 + lane])
        torch.testing.assert_close(together[:, lane], alone[:, lane])


def test_salient_places_lie_on_the_image():
    pixels, location = torch.rand(5, 3, 6, 6), torch.rand(5, 2) * 2 - 1
    places = salient_places(pixels, 3, location, torch.tensor([2 / 60, 2 / 30]), 50, location[:, None])
    assert places.shape == (50, 5, 2)
    assert places.abs().max() <= 1
