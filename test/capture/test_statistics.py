from __future__ import annotations

import pytest

from cnn_vs_ros.capture.statistics import ImageStatistics


def test_reports_rate_and_latency_since_the_last_report():
    statistics = ImageStatistics()
    statistics.reset(100.0)
    for stamp, latency in ((5.0, 0.010), (5.1, 0.020), (5.2, 0.090)):
        statistics.add(stamp, stamp + latency)
    figures = statistics.report(100.5)
    assert figures == pytest.approx(
        {
            'images': 3,
            'estimate_rate_hz': 6.0,
            'image_rate_hz': 10.0,
            'latency_median_ms': 20.0,
            'latency_max_ms': 90.0,
        }
    )
    statistics.add(5.3, 5.33)
    assert statistics.report(101.5) == pytest.approx(
        {'images': 1, 'estimate_rate_hz': 1.0, 'latency_median_ms': 30.0, 'latency_max_ms': 30.0}
    )


def test_without_images_there_is_no_latency():
    statistics = ImageStatistics()
    statistics.reset(0.0)
    assert statistics.report(1.0) == {'images': 0, 'estimate_rate_hz': 0.0}
