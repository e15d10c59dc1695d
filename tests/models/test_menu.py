import pytest

from benchmarks import model_names
from maskaq.errors import ModelError
from maskaq.models import architectures, menu
from maskaq.models.architectures import pretrained


def test_the_file_lists_every_supported_model_and_the_bundled_one_first():
    assert list(menu.shapes()) == [*architectures.BUNDLED, *architectures.timm_names()]
    assert next(iter(menu.shapes())) == menu.BUNDLED
    assert list(menu.SHIPPED) == list(architectures.BUNDLED)


@pytest.mark.parametrize(
    "name",
    ["scenes_vit", "deit_tiny_distilled_patch16_224", "swin_tiny_patch4_window7_224"],
)
def test_shapes_are_those_of_the_architecture(name):
    row = model_names.row(name)
    shape = menu.shape_of(name)
    heads = row["heads"]
    assert shape.by_block == (tuple(heads) if isinstance(heads, list) else (heads,) * row["depth"])
    assert (shape.depth, shape.size) == (row["depth"], row["size"])
    assert [*shape.grid] == row["grid"]
    assert shape.patches == row["grid"][0] * row["grid"][1]


def test_descriptions_are_those_of_the_pretrained_classifiers_in_timm():
    found = [one for name in architectures.timm_names() if (one := pretrained(name))]
    assert [*menu.classifiers().values()] == found
    assert list(menu.descriptions()) == [*architectures.BUNDLED, *(one.name for one in found)]
    about = menu.descriptions()["deit_base_patch16_384"]
    assert about == "timm, 384x384, 1000 ImageNet classes"


def test_an_unknown_model_is_refused_with_the_nearest_name():
    with pytest.raises(ModelError, match=r"'scene_vit'; did you mean 'scenes_vit'\?"):
        menu.shape_of("scene_vit")
