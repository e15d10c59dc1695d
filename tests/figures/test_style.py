from maskaq.figures.style import marker_style


def test_no_two_series_look_the_same():
    styles = {tuple(marker_style(number).values()) for number in range(49)}
    assert len(styles) == 49
