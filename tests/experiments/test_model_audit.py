"""``neurosim.audit``: its laws, its doors and what it writes."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch
from planted_models import (
    HONEST,
    N,
    Net,
    Tokens,
    brain_of,
    pictures,
    rdm,
    residual,
    shown,
    subjects,
    trained,
)
from scipy import stats
from torch import nn
from torch.nn.utils import parametrizations

import neurosim
from neurosim.experiments.cli import main
from neurosim.experiments.model_audit.features import fingerprint, see
from neurosim.experiments.model_audit.inputs import Preprocessing, Shown, gather
from neurosim.experiments.model_audit.scores import above_twins
from neurosim.models.interop.module_layers import find_layers
from neurosim.models.interop.module_states import (
    AS_GIVEN,
    GIVEN,
    RANDOM,
    calibrate,
    permute,
    randomise,
    set_statistics,
    weighted,
)
from neurosim.rsa import BrainRDMs, alignment_table

QUICK = {"seeds": 3, "n_permutations": 49, "n_samples": 50}
NAMES = tuple(f"picture {i:02}" for i in range(N))


def batch_normed() -> nn.Module:
    return trained(HONEST["batch norm"])


@pytest.fixture(scope="module")
def found():
    model = batch_normed()
    return neurosim.audit(model, pictures(), brain_of(model, pictures()), **QUICK)


def test_the_model_and_the_global_generator_stay_as_they_were():
    model = trained(lambda: Net(nn.BatchNorm2d, before=lambda x: x + 0 * torch.rand_like(x)))
    before, state = fingerprint(model), torch.get_rng_state()
    modes = [m.training for m in model.modules()]
    neurosim.audit(model, pictures(), brain_of(batch_normed(), pictures()), **QUICK)
    assert fingerprint(model) == before
    assert torch.equal(torch.get_rng_state(), state)
    assert [m.training for m in model.modules()] == modes
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_random_networks_are_resets_under_a_seed():
    """Equal under one seed, others under another; gamma and beta as a new module has them."""
    one, again, other = (batch_normed() for _ in range(3))
    assert randomise(one, 1) == ()
    randomise(again, 1)
    randomise(other, 2)
    assert all(map(torch.equal, one.parameters(), again.parameters()))
    assert not torch.equal(one.conv2.weight, other.conv2.weight)
    assert torch.equal(one.norm1.weight, torch.ones(8))
    # Kaiming uniform with a = sqrt(5): |w| <= 1 / sqrt(fan_in), which trained weights exceed.
    assert one.conv2.weight.abs().max() <= 1 / np.sqrt(72) < batch_normed().conv2.weight.abs().max()


def test_a_model_drawn_under_a_seed_is_no_twin_of_itself():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Net()
    given = model.conv1.weight.clone()
    # Nothing had to be drawn otherwise, which a weight that a reset left as it was would be.
    assert randomise(model, 0) == ()
    assert not torch.equal(model.conv1.weight, given)


def test_every_state_of_statistics_is_reached_from_every_other():
    given = batch_normed()
    twin, _ = weighted(given, RANDOM, 0)
    kept = given.norm1
    for source, mean, var in (
        (None, torch.zeros(8), torch.ones(8)),
        (given, kept.running_mean, kept.running_var),
    ):
        calibrate(twin, [shown(pictures())])
        assert not torch.equal(twin.norm1.running_mean, given.norm1.running_mean)
        set_statistics(twin, source)
        assert torch.equal(twin.norm1.running_mean, mean)
        assert torch.equal(twin.norm1.running_var, var)


def test_what_no_module_resets_is_drawn_with_its_own_mean_and_sd_and_named():
    model = Tokens()
    model.place.data = 3 + 2 * torch.randn(1, 17, 16)
    given = model.place.detach().clone()
    model.patches = parametrizations.weight_norm(model.patches)
    drawn = randomise(model, 0)
    assert {"place", "cls"} <= set(drawn)
    assert any("patches" in name for name in drawn)
    assert not torch.equal(model.place, given)
    # 272 draws: the mean within 5 standard errors.
    assert abs(model.place.mean() - 3) < 5 * 2 / np.sqrt(272)
    assert abs(model.place.std() - 2) < 5 * 2 / np.sqrt(2 * 272)


def test_permuted_weights_keep_the_values_of_every_tensor():
    model = batch_normed()
    before = [p.detach().clone() for p in model.parameters()]
    permute(model, 1)
    for old, new in zip(before, model.parameters(), strict=True):
        assert torch.equal(old.flatten().sort().values, new.flatten().sort().values)
    assert not torch.equal(before[0], model.conv1.weight)


@torch.no_grad()
def test_statistics_of_one_batch_are_those_of_training_mode():
    """Against torch's own batch norm, which normalises by the batch in training mode."""
    model, x = batch_normed(), shown(pictures())
    calibrate(model, [x])
    calibrated = model(x)
    # float32 sums in another order.
    torch.testing.assert_close(calibrated, model.train()(x), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_statistics_are_taken_with_dropout_on_and_modes_are_left():
    """Of ones, a half of them dropped and the rest doubled: the variance is 1; without it is 0."""
    model = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm2d(1)).eval()
    model[1].train()
    state = torch.get_rng_state()
    calibrate(model, [torch.ones(100, 1, 20, 20)], seed=1)
    # 40 000 draws: the standard error of the mean, and of this variance about its maximum, is .005.
    assert abs(model[1].running_mean - 1) < 0.025
    assert abs(model[1].running_var - 1) < 0.005
    assert [m.training for m in model.modules()] == [False, False, True]
    assert torch.equal(torch.get_rng_state(), state)


@torch.no_grad()
def test_statistics_of_several_batches_are_those_of_update_bn():
    batches = shown(pictures()).split(8)
    ours, theirs = batch_normed(), batch_normed()
    assert calibrate(ours, batches) == 3
    torch.optim.swa_utils.update_bn(batches, theirs)
    torch.testing.assert_close(ours.norm1.running_mean, theirs.norm1.running_mean)
    # torch accumulates the unbiased variance: n / (n - 1) of n = 8 x 12 x 12 values.
    n = 8 * 12 * 12
    torch.testing.assert_close(ours.norm1.running_var * n / (n - 1), theirs.norm1.running_var)


LAYERS = {
    "plain convolutions": ["conv2:in", "act2", "head:in"],
    "batch norm": ["conv2:in", "act2", "head:in"],
    "residual, batch norm": ["0", "1", "2", "4"],
    "transformer": ["blocks.0:in", "blocks.0", "blocks.1", "head:in"],
    "perceptron with dropout": ["2", "5"],
    "ResNet with basic blocks": [
        "maxpool",
        "layer1.0",
        "layer1.1",
        "layer2.0",
        "layer2.1",
        "fc:in",
    ],
    "ViT": ["pos_drop", "blocks.0", "blocks.1", "blocks.2", "fc_norm"],
    "ConvNeXt": [
        "stem.1",
        "stages.0.blocks.0",
        "stages.0.blocks.1",
        "stages.1.downsample.1",
        "stages.1.blocks.0",
        "stages.1.blocks.1",
        "head:in",
    ],
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_the_stem_the_blocks_and_what_feeds_the_head(name):
    """Read off the builders of planted_models.py by hand."""
    model = trained(HONEST[name])
    assert [layer.name for layer in find_layers(model, shown(pictures()))] == LAYERS[name]


def test_layers_of_a_plain_stack_are_named_by_what_made_them():
    """torchvision's VGG: the stack of features is read by the classifier, and is no layer."""
    features = [nn.Conv2d(3, 4, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3, 1, 1),
                nn.ReLU(), nn.MaxPool2d(2)]  # fmt: skip
    model = nn.Sequential()
    model.features = nn.Sequential(*features)
    model.avgpool, model.flat = nn.AdaptiveAvgPool2d(3), nn.Flatten()
    model.classifier = nn.Sequential(nn.Linear(36, 8), nn.ReLU(), nn.Linear(8, 4))
    found = find_layers(model.eval(), shown(pictures()))
    assert [layer.name for layer in found] == ["features.2", "flat", "classifier.1"]


def test_layers_by_name_and_glob():
    model = residual(nn.BatchNorm2d).eval()
    x = shown(pictures())
    assert [la.name for la in find_layers(model, x, ["5:in", "?.body.0"])] == [
        "1.body.0", "2.body.0", "5:in",
    ]  # fmt: skip
    assert [la.name for la in find_layers(model, x, "1.*")] == ["1.body"]
    with pytest.raises(ValueError, match=r"layer 'layer4' is not a module .* there are output"):
        find_layers(model, x, "layer4")
    shared = nn.Sequential(nn.Conv2d(3, 4, 3), relu := nn.ReLU(), nn.Conv2d(4, 4, 3), relu)
    with pytest.raises(ValueError, match=r"layer '1' is called 2 times per image"):
        find_layers(shared, x, "1")


def test_layers_that_put_the_batch_elsewhere_are_turned():
    """Tokens first, and windows folded into the batch, as of shifted-window transformers."""

    class Turned(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.folded = nn.Identity(), nn.Identity()

        def forward(self, x):
            tokens = self.first(x.flatten(2).permute(2, 0, 1))
            return self.folded(tokens.permute(1, 0, 2).reshape(len(x) * 4, -1, 3)).sum()

    x = shown(pictures())
    seen = see(Turned(), Shown(pictures(), Preprocessing()),
               find_layers(Turned(), x, ["first", "folded"]))  # fmt: skip
    want = rdm(x.numpy())
    for name in ("first", "folded"):
        np.testing.assert_allclose(seen.rdms[name, "whole"], want, atol=1e-6)  # float32 activity


def test_memory_and_batches_change_nothing():
    """Layers in turns and images in small batches: the same RDMs but for the order of sums."""
    model, images = batch_normed(), Shown(pictures(), Preprocessing())
    layers = find_layers(model, images.rows(0, 3))
    at_once = see(model, images, layers)
    in_turns = see(model, images, layers, batch=5, memory=1)
    assert at_once.rdms.keys() == in_turns.rdms.keys()
    for key, row in at_once.rdms.items():
        np.testing.assert_allclose(row, in_turns.rdms[key], atol=1e-5)


def test_scores_are_those_of_the_alignment_table(found):
    brain = found.evidence.given.brain
    state = found.evidence.states(GIVEN, AS_GIVEN)[0]
    row = found.evidence.rdms[state, 0, 0]["head:in", "whole"]
    from neurosim.rsa import RDM

    want = alignment_table({"x": RDM(row)}, brain, conventions=("subject_mean",))["rho"][0]
    rows = found.evidence.rows("V", GIVEN, AS_GIVEN)
    rows = rows[rows["layer"] == "head:in"]
    assert rows["rho"].tolist() == [want]


def test_parts_add_up_under_both_orders_and_by_their_mean(found):
    change = found.changes["V"]
    for one, other in ((change.normalisation_first, change.matched),
                       (change.normalisation_last, change.initial),
                       (change.normalisation, change.learning)):  # fmt: skip
        assert one.size + other.size == pytest.approx(change.whole.size, abs=1e-12)
    mean = (change.matched.size + change.initial.size) / 2
    assert change.learning.size == pytest.approx(mean, abs=1e-12)
    given, random = change.best[GIVEN, AS_GIVEN][1], change.best[RANDOM, "as initialised"][1]
    assert change.whole.size == pytest.approx(given - random, abs=1e-12)
    assert change.whole.low < change.whole.size < change.whole.high


def test_the_calibrated_score_is_a_prediction_interval():
    """Rejects 5 % of draws from the twins' own distribution, whatever their number."""
    draws = np.random.default_rng(0).normal(size=(4000, 6))
    rejected = np.mean([above_twins(row[0], row[1:])[1] < 0.05 for row in draws])
    assert abs(rejected - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 4000)
    z, p = above_twins(3.0, [0.0, 1.0, -1.0])
    assert (z, p) == (3.0, pytest.approx(stats.t.sf(3 / np.sqrt(4 / 3), 2)))
    assert np.isnan(above_twins(1.0, [0.0, 1.0])).all()


def test_names_put_images_in_the_order_of_the_brain():
    model = batch_normed()
    rows = brain_of(model, pictures())["V"]
    brain = BrainRDMs(rows[:, None].astype(np.float32), tuple("abcdef"), ("V",), NAMES)
    order = np.random.default_rng(0).permutation(N)
    mixed = {NAMES[i]: pictures()[i] for i in order}
    given = gather(mixed, brain)
    assert given.named
    assert np.array_equal(np.stack(list(given.images)), pictures())
    assert not gather(pictures(), brain).named


def test_brains_in_every_form_are_one(tmp_path):
    draw = np.random.default_rng(0)
    responses = [draw.normal(size=(N, 30)) for _ in range(4)]
    rows = np.stack([rdm(r) for r in responses])
    square = np.zeros((4, N, N))
    upper = np.triu_indices(N, 1)
    square[:, upper[0], upper[1]] = rows
    square += square.transpose(0, 2, 1)
    brain = BrainRDMs(rows[:, None].astype(np.float32), tuple("abcd"), ("V",), NAMES)
    brain.save(tmp_path / "brain.h5")
    np.save(tmp_path / "square.npy", square)
    for given in (rows, square, {"V": rows}, {"V": responses}, {"V": np.stack(responses)}, brain,
                  tmp_path / "brain.h5", tmp_path / "square.npy"):  # fmt: skip
        found = gather(pictures(), given).brain
        np.testing.assert_allclose(found.rdms[:, 0], rows, atol=1e-6)


def test_a_folder_of_images_is_read_by_name(tmp_path):
    from PIL import Image

    for name, image in zip(NAMES, pictures(), strict=True):
        Image.fromarray(image).save(tmp_path / f"{name}.png")
    brain = BrainRDMs(np.ones((2, 1, 276), np.float32) * np.arange(276), ("a", "b"), ("V",),
                      NAMES[::-1])  # fmt: skip
    given = gather(tmp_path, brain)
    assert given.named
    assert np.array_equal(np.asarray(given.images[0]), pictures()[-1])


ERRORS = {
    "no model": ({"model": 50}, "model is a torch.nn.Module, or features of its layers; got a int"),
    "no features": ({"model": "resnet50"}, "there is no folder of features 'resnet50'"),
    "a seed twice": ({"seeds": (0, 0, 1)}, "got one twice in (0, 0, 1)"),
    "mean of bytes": ({"mean": 127.0}, "mean is 127.0, of intensities from 0 to 1; divide by 255"),
    "no spread": ({"sd": 0.0}, "sd has to be above 0"),
    "too few images": ({"images": pictures()[:20]}, "there are 20 images and 24 stimuli"),
    "a size that does not fit": (
        {"model": nn.Sequential(nn.Flatten(), nn.Linear(75, 2))}, "the model does not take images"
    ),
    "no brain": ({"brain": None}, "no brain was given"),
    "no region": ({"brain": {}}, "the brain has no region: give RDMs or responses"),
    "no size": ({"size": 0}, "size must be a whole number of at least 1, got 0"),
    "one other size": ({"sizes": 0}, "sizes must be a whole number of at least 1, got 0"),
    "a readout that is none": ({"readout": "4 x 4"}, "no layer has the readout '4 x 4'"),
    "no seeds": ({"seeds": 0}, "at least one random network is needed"),
    "no images": ({"images": "pictures-of-mine"}, "pictures-of-mine is no folder of images"),
    "other names": (
        {"images": dict(zip(("x", *NAMES[1:]), pictures(), strict=True)),
         "brain": BrainRDMs(np.ones((2, 1, 276)) * np.arange(276), ("a", "b"), ("V",), NAMES)},
        "1 stimuli of the brain data are not among the images, the first 'picture 00'"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_what_does_not_fit_is_told_in_a_sentence(name):
    wrong, message = ERRORS[name]
    given = {"model": Net().eval(), "images": pictures(), "brain": subjects(rdm(pictures() * 1.0))}
    given = given | wrong
    with pytest.raises((ValueError, TypeError), match=re.escape(message)):
        neurosim.audit(**given)


def test_what_is_written_says_one_thing(found, tmp_path):
    page = found.write(tmp_path / "audit").read_text(encoding="utf-8")
    record = json.loads((tmp_path / "audit" / "audit.json").read_text(encoding="utf-8"))
    assert record["format"] == "neurosim-model-audit-1"
    assert record["short"] == found.in_short()
    assert len(record["short"]) == 3
    assert [f["verdict"] for f in record["findings"]] == [f.verdict for f in found.findings]
    for finding in found.findings:
        assert finding.question in page
    # Self-contained: nothing is fetched.
    assert not re.findall(r"(?:src|href)=\"(?!data:|#)", page)
    assert "64 " not in record["badge"]
    assert record["badge"].startswith("neurosim audit of Net: ")
    assert "in training mode, all in one batch, biased variance" in record["methods"]


MINE = """
from torch import nn
def make():
    layers = nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear({n}, 2)
    return nn.Sequential(*layers).eval()
def with_preprocessing():
    return make(), None
number = 3
"""


def test_the_command_audits_a_model_of_a_file(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(MINE.format(n=4 * 16 * 16), encoding="utf-8")
    options = ["--images", "demo", "--size", "32", "--seeds", "3", "--out", "out"]
    status = main(["audit", "./mine.py:make", *options])
    told = capsys.readouterr()
    assert "neurosim audit of mine:make:" in told.out
    assert (tmp_path / "out" / "audit.html").is_file()
    record = json.loads((tmp_path / "out" / "audit.json").read_text(encoding="utf-8"))
    verdicts = {f["verdict"] for f in record["findings"]}
    assert status == int("fail" in verdicts)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("./mine.py:none", "has no object 'none'"),
        ("./mine.py:number", "makes a int, not a torch.nn.Module"),
        ("./other.py:make", "other.py cannot be read (No such file or directory): give the path"),
        ("no_such_module:make", "there is no module 'no_such_module'"),
    ],
)
def test_a_target_that_makes_no_model_is_told(target, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(MINE.format(n=4), encoding="utf-8")
    assert main(["audit", target, "--images", "demo"]) != 0
    assert message in capsys.readouterr().err


def test_statistics_of_training_images_are_a_state_of_their_own():
    """Given, they are what both sides are compared with; those of the stimuli stay beside them."""
    model = batch_normed()
    brain = brain_of(model, pictures())
    found = neurosim.audit(
        model, pictures(), brain, training_images=pictures(seed=9, n=40), **QUICK
    )
    assert found.evidence.matched == "training"
    assert set(found.table["statistics"]) == {
        "as given", "as initialised", "of the stimuli", "training",
    }  # fmt: skip
    assert "of training images" in found.methods()
    assert "statistics of the training images on both sides" in found["learning"].answer


def test_a_model_in_half_precision_is_no_false_alarm():
    model = batch_normed().bfloat16()
    found = neurosim.audit(model, pictures(), brain_of(batch_normed(), pictures()), **QUICK)
    verdicts = {f.id: f.verdict for f in found.findings}
    assert {verdicts[name] for name in ("state", "determinism", "batch", "finite")} == {"pass"}
