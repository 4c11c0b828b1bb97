from __future__ import annotations

import numpy as np
import pytest

from cnn_vs_ros.estimation import load_model
from cnn_vs_ros.estimation.coarse.matcher import MatcherNetwork
from training.__main__ import main
from training.images import textures
from training.images.textures import KINDS
from training.images.views import ViewSampling
from training.matcher.data import MatchingGroups
from training.matcher.validation import validate_exported


def test_the_shipped_matcher_is_right_about_most_cells_of_every_kind(drawn_corpus):
    network = MatcherNetwork(load_model('scene_agnostic'))
    shares = dict(validate_exported(network, drawn_corpus, 192, groups=2))
    assert list(shares) == ['photographs', *KINDS]
    for share in shares.values():
        assert 0.7 < share['nominal'] <= 1.0
        assert 0.2 < share['perturbed'] <= share['nominal'] + 0.05


def test_an_untold_kind_is_random_and_a_told_one_is_drawn(drawn_corpus):
    drawn = [
        textures.draw(np.random.default_rng(7), 96, kind=kind) for kind in ('wood grain', 'dead leaves', None)
    ]
    assert len({image.tobytes() for image in drawn}) == 3
    sampling = ViewSampling(width=64, height=48)
    groups = [
        MatchingGroups(drawn_corpus, 'validation', sampling, seed=3, drawn_share=1.0, length=1, kind=kind)[0][0]
        for kind in ('wood grain', 'dead leaves')
    ]
    assert not np.array_equal(*groups)


@pytest.mark.parametrize('arguments', [['--groups', '0'], ['--width', '100']])
def test_bad_requests_are_told_in_a_sentence(drawn_corpus, arguments, capsys):
    assert main(['validate', '--corpus', str(drawn_corpus), *arguments]) == 2
    assert 'groups should be at least 1 and width a multiple of 32' in capsys.readouterr().err
