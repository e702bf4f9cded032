"""A gaze that points: a Gaussian around each pixel of the last glimpse."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from agents.ram import losses  # noqa: E402
from agents.ram.pointing import MOST, NEVER, WIDTH, Pointer  # noqa: E402
from agents.ram.salience import salient_places  # noqa: E402
from ram_envs.glimpse_sensor import GlimpseSensor, to_location  # noqa: E402

SIDE = 6
SIZE = torch.tensor([2 / 40, 2 / 20])  # of a pixel of 40x20 ones
HERE = torch.tensor([[0.2, -0.1]])


def pointer(num_scales=3):
    torch.manual_seed(0)
    return Pointer(num_scales, num_scales, SIDE, 8, 4)


def pixel(scale, column, row):
    return scale * SIDE**2 + row * SIDE + column


def peaks(*pixels):
    """Logits that point at these alone, all alike."""
    logits = torch.full((1, 3 * SIDE**2), NEVER)
    logits[0, list(pixels)] = 0.0
    return logits


def seen(net, **changed):
    given = {
        "hidden": torch.zeros(1, 8),
        "pixels": torch.zeros(1, 3, SIDE, SIDE),
        "locations": HERE,
        "size": SIZE,
        "seen": None,
    }
    return net(*{**given, **changed}.values())


def test_it_begins_by_pointing_alike_at_all_that_is_on_the_image_and_that_no_finer_scale_shows():
    logits = seen(pointer(), locations=torch.tensor([[0.2, -0.4]]))
    shares = logits.softmax(-1).view(3, SIDE, SIDE)
    some = shares[shares > 0]
    torch.testing.assert_close(some, torch.full_like(some, 1 / len(some)))
    assert (shares[0] > 0).all()
    # Of 6 coarser pixels a side the middle 2 are covered whole, the next ones by half.
    assert (shares[1, 2:4, 2:4] == 0).all()
    assert shares[1, 1:5, 1:5].count_nonzero() == 12
    # 6 rows of the image lie above the middle of the glimpse: the upper of its rows of four pixels each is off, the next one is on by half.
    assert (shares[2, 0] == 0).all()
    assert (shares[2, 1] > 0).all()


def test_places_are_drawn_around_the_pixel_as_wide_as_it_is():
    net, logits = pointer(), peaks(pixel(1, 0, 2))
    middle = HERE + torch.tensor([-2.5, -0.5]) * 2 * SIZE
    places = net.sample(4000, logits, HERE, SIZE, torch.Generator().manual_seed(0))[:, 0]
    torch.testing.assert_close(places.mean(0), middle[0], atol=0.005, rtol=0)
    torch.testing.assert_close(places.std(0), WIDTH * 2 * SIZE, atol=0.005, rtol=0)
    torch.testing.assert_close(net.best(logits, HERE, SIZE), middle)
    height = -math.log(2 * math.pi * WIDTH**2 * 4 * float(SIZE.prod()))
    torch.testing.assert_close(net.log_prob(middle[:, None], logits, HERE, SIZE), torch.tensor([[height]]))


@pytest.mark.parametrize("num_scales", [1, 2])
def test_an_average_of_agents_can_be_kept(num_scales):
    net = pointer(num_scales)
    for buffer in net.buffers():
        buffer.copy_(buffer.clone())


@pytest.mark.parametrize("side", [1, 3, 6, 20])
def test_density_is_that_of_the_mixture_that_places_are_drawn_from(side):
    net = Pointer(3, 3, side, 8, 4)
    logits = torch.randn(2, len(net.steps), requires_grad=True)
    here, sizes = HERE.expand(2, -1), torch.stack([SIZE, SIZE / 2])
    places = net.sample(50, logits.detach(), here, sizes, torch.Generator().manual_seed(0)).transpose(0, 1)
    places = torch.cat([places, torch.tensor([[[3.0, -2.0]]]).expand(2, -1, -1)], 1)  # and far from all of them
    middles, spreads = here[:, None] + net.steps * sizes[:, None], WIDTH * net.widths[:, None] * sizes[:, None]
    around = torch.distributions.Independent(torch.distributions.Normal(middles[:, None], spreads[:, None]), 1)
    which = torch.distributions.Categorical(logits=logits[:, None])
    expected = torch.distributions.MixtureSameFamily(which, around).log_prob(places)
    found = net.log_prob(places, logits, here, sizes)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    gradients = [torch.autograd.grad(density.sum(), logits, retain_graph=True)[0] for density in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("side", [3, 5, 6, 7])
@pytest.mark.parametrize("scale", [0, 1])
def test_it_points_where_the_sensor_sees_a_pixel(side, scale):
    """One bright block of an image, seen by the sensor: the gaze that points at it looks at its middle."""
    image, width = np.zeros((1, 40, 40), np.uint8), 2**scale
    location = to_location(np.array([[20, 20]]), 40, 40)
    corner = 20 - side * width // 2 + width * np.array([1, 2])  # of the second column and the third row of that scale
    image[0, corner[1] : corner[1] + width, corner[0] : corner[0] + width] = 255
    glimpse = torch.from_numpy(GlimpseSensor(side, 2)(image, location))
    net, size = Pointer(2, 2, side, 8, 4), torch.tensor([2 / 40, 2 / 40])
    logits = torch.full((1, 2 * side**2), NEVER)
    logits[0, scale * side**2 + int(glimpse[0, scale].argmax())] = 0.0
    found = net.best(logits, torch.from_numpy(location).float(), size)
    torch.testing.assert_close(found, torch.from_numpy(to_location(corner + width / 2, 40, 40)).float()[None])
    lit = torch.zeros(1, 2, side, side)
    lit[0, scale] = glimpse[0, scale]
    drawn = salient_places(
        lit, 2, torch.from_numpy(location).float(), size, 400, generator=torch.Generator().manual_seed(0)
    )
    torch.testing.assert_close(drawn.median(0).values, found, atol=0.2 * width * 2 / 40, rtol=0)


def test_of_several_things_it_looks_at_one_and_not_between_them():
    net, logits = pointer(), peaks(pixel(2, 0, 3), pixel(2, 5, 3))
    logits[0, pixel(2, 5, 3)] += 0.1
    right = HERE + torch.tensor([2.5, 0.5]) * 4 * SIZE
    torch.testing.assert_close(net.best(logits, HERE, SIZE), right)
    places = net.sample(500, logits, HERE, SIZE, torch.Generator().manual_seed(0))[:, 0, 0]
    assert ((places - HERE[0, 0]).abs() < 3 * SIZE[0]).float().mean() < 0.02
    assert 0.4 < (places > HERE[0, 0]).float().mean() < 0.65


def test_between_pixels_that_are_alike_it_looks_in_the_middle():
    net = pointer()
    found = net.best(peaks(pixel(0, 2, 2), pixel(0, 3, 2)), HERE, SIZE)
    torch.testing.assert_close(found, HERE + torch.tensor([0.0, -0.5]) * SIZE)


@pytest.mark.parametrize(("better", "pulled"), [(0, (0, 3, 3)), (1, (2, 5, 3))])
def test_what_is_better_becomes_likelier(better, pulled):
    net = pointer()
    logits = seen(net).detach().requires_grad_()
    places = torch.stack([HERE + 0.4 * SIZE, HERE + torch.tensor([10.0, 1.0]) * SIZE], 1)
    log_probs = net.log_prob(places, logits, HERE, SIZE).T[None]
    advantages = torch.tensor([1.0, -1.0] if better == 0 else [-1.0, 1.0]).view(1, 2, 1)
    losses.pointed_candidate_loss(log_probs, advantages, torch.ones(1, 1)).backward()
    assert logits.grad[0].argmin() == pixel(*pulled)


def test_what_is_hardly_ever_drawn_pulls_and_does_not_push():
    unlikely = torch.full((1, 2, 1), -20.0, requires_grad=True)
    advantages = torch.tensor([-1.0, 1.0]).view(1, 2, 1)
    losses.pointed_candidate_loss(unlikely, advantages, torch.ones(1, 1)).backward()
    assert unlikely.grad[0, :, 0].tolist() == [0.0, -0.5]


def test_it_knows_where_it_has_looked():
    net = pointer()
    with torch.no_grad():
        [*net.asks.parameters()][-1].fill_(1.0)
    nowhere = torch.full((1, 2, 2), 9.0)
    before = seen(net, seen=nowhere)
    torch.testing.assert_close(before, seen(net))
    # All of the finest patch's reach around a place three pixels of the third scale to the right.
    there = (HERE + torch.tensor([10.0, 2.0]) * SIZE)[:, None]
    changed = (seen(net, seen=there) != before).view(3, SIDE, SIDE)
    assert changed[2, 3, 5]
    assert not changed[0].any()


def test_images_of_several_sizes_have_pixels_of_their_own():
    net, logits = pointer(), peaks(pixel(0, 5, 3)).expand(2, -1)
    sizes = torch.stack([SIZE, 2 * SIZE])
    here = HERE.expand(2, -1)
    found = net.best(logits, here, sizes) - here
    torch.testing.assert_close(found[1], 2 * found[0])
    places = (here + found)[:, None]
    one, other = net.log_prob(places, logits, here, sizes)
    torch.testing.assert_close(one - other, torch.full((1,), math.log(4.0)))


def test_of_a_large_patch_it_points_at_blocks_of_pixels():
    net = Pointer(2, 2, 2 * MOST, 8, 0)
    planes = torch.zeros(1, 2, 2 * MOST, 2 * MOST)
    logits = net(torch.zeros(1, 8), planes, 0 * HERE, SIZE / 10, None).detach()
    assert logits.shape == (1, 2 * MOST**2)
    logits[0, 0] = 50.0  # the upper left block of the finest scale
    middle = torch.tensor([[1.0, 1.0]]) * (1 - MOST) * SIZE / 10
    torch.testing.assert_close(net.best(logits, 0 * HERE, SIZE / 10), middle)
    places = net.sample(4000, logits, 0 * HERE, SIZE / 10, torch.Generator().manual_seed(0))[:, 0]
    torch.testing.assert_close(places.std(0), WIDTH * 2 * SIZE / 10, rtol=0.05, atol=0)
    height = -math.log(2 * math.pi * WIDTH**2 * 4 * float((SIZE / 10).prod()))
    torch.testing.assert_close(net.log_prob(middle[:, None], logits, 0 * HERE, SIZE / 10), torch.tensor([[height]]))
