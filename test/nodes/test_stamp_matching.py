from __future__ import annotations

from cnn_vs_ros.nodes.stamp_matching import StampMatcher


def test_pairs_by_equal_stamp_whichever_comes_first():
    matcher: StampMatcher[str, str] = StampMatcher()
    assert matcher.add_first(1000, 'a1') is None
    assert matcher.add_second(2000, 'b2') is None
    assert matcher.add_second(1000, 'b1') == ('a1', 'b1')
    assert matcher.add_first(2000, 'a2') == ('a2', 'b2')


def test_nanoseconds_count_and_a_pair_is_given_once():
    matcher: StampMatcher[str, str] = StampMatcher()
    matcher.add_first(1005, 'a')
    assert matcher.add_second(1006, 'b') is None
    assert matcher.add_second(1005, 'c') == ('a', 'c')
    assert matcher.add_second(1005, 'd') is None


def test_none_is_an_item_like_any_other():
    """As the confidence of an estimator that cannot tell."""
    matcher: StampMatcher[float | None, str | None] = StampMatcher()
    matcher.add_first(1000, None)
    assert matcher.add_second(1000, 'pose') == (None, 'pose')
    matcher.add_second(2000, None)
    assert matcher.add_first(2000, 0.9) == (0.9, None)


def test_forgets_the_oldest_beyond_its_depth():
    matcher: StampMatcher[int, int] = StampMatcher(depth=3)
    for second in range(5):
        matcher.add_first(second, second)
    assert [matcher.add_second(second, 0) is not None for second in range(5)] == [
        False,
        False,
        True,
        True,
        True,
    ]


def test_clear_forgets_everything():
    matcher: StampMatcher[str, str] = StampMatcher()
    matcher.add_first(1000, 'a')
    matcher.clear()
    assert matcher.add_second(1000, 'b') is None
