import numpy as np
import pandas as pd
import pytest

from maskaq.figures.maps import similarity
from tests.figures.conftest import GRID
from tests.support.stored import CURVES

X = np.linspace(-0.5, 1.5, 200)


@pytest.fixture
def values():
    return np.random.default_rng(0).normal(0.5, 0.1, 4032).astype(np.float32)


def bell(mean, std):
    return np.exp(-0.5 * ((X - mean) / std) ** 2) / (std * np.sqrt(2 * np.pi))


def test_the_matrix_is_complete_and_its_scale_uses_its_range(sound):
    matrix = np.array([[1, 0.27], [0.27, 1]])
    chart = similarity.matrix(matrix, "A scene", 1)
    figure = sound(chart)
    trace, places = figure.data
    assert trace.z.dtype == np.float32
    np.testing.assert_array_equal(trace.z, matrix.astype(np.float32))
    assert (trace.zmin, trace.zmax) == (0.25, 1)
    assert "2 patches" in figure.layout.title.text
    assert similarity.matrix(-matrix, "A scene").figure.data[0].zmin == -1
    assert [value for (value,) in places.customdata] == list(places.y)
    frame = figure.layout.shapes[-1]
    assert (frame.y0, frame.y1, frame.x0, frame.x1) == (0.5, 1.5, -0.5, 1.5)
    assert chart.alt.startswith("A scene: two different patches")
    assert "mean similarity of 0.27, from 0.27 to 0.27" in chart.alt


def test_the_row_of_a_patch_is_a_map_over_the_image(image, sound):
    row = np.linspace(0.5, 0.9, 16)
    row[6] = 1
    chart = similarity.row_map(image, row, GRID, 6, "A scene")
    figure = sound(chart, units=False)
    heat = figure.data[1]
    np.testing.assert_allclose(heat.z.ravel(), row, rtol=1e-6)
    assert (heat.x0, heat.dx) == (0.5, 2)
    assert (heat.zmin, heat.zmax) == (0.5, 1)
    assert 0 < heat.opacity < 1
    assert "M3.9,1.9L5.1,3.1" in figure.layout.shapes[0].path
    assert "similarity 0.900" in figure.data[2].hovertext[15]
    assert chart.alt == (
        "A scene: of all patches, 15 is the most similar to patch 6 (0.90) and 0 the least (0.50)."
    )


def test_the_histogram_is_a_density_beside_two_curves(values, sound):
    kde = (X, bell(0.5, 0.1))
    figure = sound(similarity.histogram(values, (0.5, 0.1), kde, "A scene"))
    bars, gauss, kernel = figure.data
    assert (np.asarray(bars.y) * np.asarray(bars.width)).sum() == pytest.approx(1)
    assert max(gauss.y) == pytest.approx(3.99, abs=0.02)
    assert gauss.y.dtype == kernel.y.dtype == np.float32
    assert gauss.line.dash == "dash" != kernel.line.dash
    assert "n = 4,032 pairs" in figure.layout.title.text


def test_a_histogram_without_a_kernel_density(values, sound):
    chart = similarity.histogram(values, (0.5, 0.1), None, "A scene")
    assert [trace.name for trace in sound(chart).data] == ["similarities", "Gaussian"]
    assert "kernel" not in chart.table


def test_the_sentence_says_how_well_a_gaussian_fits(values):
    kde = (X, bell(0.5, 0.1))
    good = similarity.histogram(values, (0.5, 0.1), kde, "Good")
    bad = similarity.histogram(values, (0.9, 0.1), kde, "Bad")
    assert good.table["count"].sum() == 4032
    misplaced = [float(chart.alt.split()[-1].rstrip("%.")) for chart in (good, bad)]
    assert misplaced[0] < 10
    assert misplaced[1] > 60


def test_equal_values_can_be_shown():
    chart = similarity.histogram(np.full(10, 0.3), (0.3, 0.0), (X, bell(0.3, 0.1)), "Equal")
    assert all(np.isfinite(np.asarray(trace.y)).all() for trace in chart.figure.data)


def test_entropy_by_block_fills_the_gaussian_and_opens_the_kernel(sound):
    table = pd.DataFrame(
        [
            (kind, block, level, level - 0.02, level + 0.03, level - 0.1, level - 0.1, level, 32, 9)
            for kind, level in (("noise", -2.5), ("real scene", -0.9), ("synthetic image", -0.6))
            for block in range(3)
        ],
        columns=[
            *("kind", "block", "gaussian", "gaussian_low", "gaussian_high"),
            *("kernel", "kernel_low", "kernel_high", "n", "pairs"),
        ],
    )
    chart = similarity.entropy_by_block(table)
    figure = sound(chart)
    assert len(figure.data) == 6
    assert all(trace.marker.symbol.endswith("-open") for trace in figure.data[1::2])
    assert len({trace.line.dash for trace in figure.data[::2]}) == 3
    assert len({trace.x[0] for trace in figure.data[::2]}) == 3  # side by side, none is hidden
    assert list(figure.data[0].customdata) == [0, 1, 2]
    assert "nats" in figure.layout.yaxis.title.text
    assert "mean of 32 images" in figure.layout.title.text
    assert np.allclose(figure.data[0].error_y.array, 0.03)
    assert np.allclose(figure.data[0].error_y.arrayminus, 0.02)
    assert np.allclose(figure.data[1].error_y.array, 0.1)
    assert chart.alt.index("synthetic image -0.60") < chart.alt.index("noise -2.50")


def test_entropy_over_steps_flips_the_sign_of_the_objective(sound):
    curves = CURVES.assign(entropy=[1.0, 0.8, 0.5, np.nan, np.nan])
    chart = similarity.entropy_over_steps(curves)
    assert list(sound(chart).data[0].y) == [-1, -0.8, -0.5]
    assert chart.table["step"].tolist() == [1, 2, 3]
    assert "rises from -1.00 to -0.50 nats in 3 steps" in chart.alt


def test_a_run_without_entropy_says_so():
    chart = similarity.entropy_over_steps(CURVES)
    assert len(chart.figure.data[0].x) == 0
    assert "did not measure" in chart.alt
