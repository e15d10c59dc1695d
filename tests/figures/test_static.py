import io

from PIL import Image

from maskaq.config.presets import spec_of
from maskaq.figures import static
from maskaq.figures.results import compare
from tests.support import stored


def test_the_picture_grows_with_the_runs_and_is_reproducible():
    results = [stored.result(spec_of("maskaq", bits)) for bits in ((4, 4), (3, 3), (8, 8))]
    few, many = (static.runs(compare.frame(results[:count])) for count in (1, 3))
    small, large = (Image.open(io.BytesIO(png)) for png in (few, many))
    assert small.format == "PNG"
    assert small.width == large.width
    assert small.height < large.height
    assert static.runs(compare.frame(results[:1])) == few


def test_a_dollar_sign_in_a_name_is_not_parsed_as_a_formula():
    table = compare.frame([stored.result()])
    assert static.runs(table.assign(run="$\\broken$"))
