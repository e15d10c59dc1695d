import itertools
from concurrent.futures import Future
from dataclasses import replace
from threading import Timer

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from maskaq.config import BITS
from maskaq.data.upload import Picture
from maskaq.errors import RunError
from maskaq.jobs import service
from maskaq.precomputed import showcase
from maskaq.regions.numpy_masks import inside_outside, mask_of
from maskaq.ui.sections.look_inside import attention_maps, measures, questions
from maskaq.ui.state.selection import Choice
from maskaq.ui.state.uploads import Own
from maskaq.ui.widgets import query as ask

CHOICE = Choice(image=3)


def test_alpha_is_the_mean_over_blocks_and_heads_without_the_class_token():
    alpha = attention_maps.alpha(3)
    assert alpha.shape == (64,)
    np.testing.assert_allclose(alpha, showcase.cls_rows(3, "P")[:, :, 1:].mean((0, 1)))
    with pytest.raises(ValueError, match="read-only"):
        alpha[0] = 1


@pytest.mark.parametrize("query", [None, 10])
def test_rows_of_stored_models_leave_out_the_class_token(query):
    p, q = attention_maps.rows(3, "P", query), attention_maps.rows(3, "W3A3", query)
    token = 0 if query is None else 11
    np.testing.assert_allclose(p, showcase.attention(3)[:, :, token, 1:], atol=1e-6)
    assert q.shape == ((6, 6, 64) if query is None else (6, 1, 64))
    mean = showcase.mean_maps(3, "W3A3")[:, token, 1:]
    np.testing.assert_allclose(q.mean(1), mean, atol=2e-3)


def test_a_pair_is_averaged_over_blocks_and_heads_that_are_not_chosen():
    maps = attention_maps.stored(CHOICE, None)
    p, q = showcase.cls_rows(3, "P")[..., 1:], showcase.cls_rows(3, "W4A4")[..., 1:]
    np.testing.assert_allclose(maps.pair(2, 4), (p[2, 4], q[2, 4]))
    np.testing.assert_allclose(maps.pair(2, None), (p[2].mean(0), q[2].mean(0)))
    np.testing.assert_allclose(maps.pair(None, None), (p.mean((0, 1)), q.mean((0, 1))), rtol=1e-5)


def test_heads_that_a_block_does_not_have_are_left_out():
    rows = np.random.default_rng(0).random((2, 3, 4)).astype(np.float32)
    rows[0, 2] = np.nan  # the first block has two heads
    maps = attention_maps.Maps(None, (2, 2), rows, rows, "W4A4", rows[0, 0], "")
    assert maps.heads(0).shape == (2, 4)
    np.testing.assert_allclose(maps.heads(None), rows[:, :2].mean(0))  # those of all blocks
    np.testing.assert_allclose(maps.pair(0, None)[0], rows[0, :2].mean(0), rtol=1e-6)
    np.testing.assert_allclose(maps.pair(1, 2)[0], rows[1, 2])
    both = (rows[0, :2].mean(0) + rows[1].mean(0)) / 2
    np.testing.assert_allclose(maps.pair(None, None)[0], both, rtol=1e-6)


def test_a_model_without_a_class_token_shows_the_mean_over_its_patches():
    maps = attention_maps.stored(CHOICE, None)
    assert (maps.who(None), maps.who(3)) == ("CLS", "patch 3")
    assert replace(maps, class_token=False).who(None) == "all patches"


def test_there_is_no_pair_for_one_head_where_q_has_only_the_mean():
    maps = attention_maps.stored(CHOICE, 10)
    p, q = maps.pair(2, None)
    np.testing.assert_allclose(p, showcase.attention(3)[2, :, 11, 1:].mean(0))
    np.testing.assert_allclose(q, showcase.mean_maps(3, "W4A4")[2, 11, 1:])
    assert maps.pair(2, 4) is None


def test_without_q_there_is_no_pair():
    assert replace(attention_maps.stored(CHOICE, None), q=None).pair(None, None) is None


@pytest.mark.parametrize("query", [None, 10])
def test_q_is_stored_for_the_chosen_bits_or_not_at_all(query, monkeypatch):
    monkeypatch.setattr(showcase, "BITS", ("W4A4", "W2A4"))
    for bits in itertools.product(BITS, BITS):
        chosen = replace(CHOICE, weight_bits=bits[0], activation_bits=bits[1])
        maps = attention_maps.stored(chosen, query)
        assert maps.bits == chosen.bits
        assert (maps.q is not None) == (chosen.bits in showcase.BITS)
        if maps.q is not None:
            np.testing.assert_array_equal(maps.q, attention_maps.rows(3, chosen.bits, query))


def test_the_share_is_that_of_the_chosen_block_and_head():
    maps = attention_maps.stored(CHOICE, None)
    mask = mask_of(maps.alpha, 0.3)
    row = showcase.cls_rows(3, "P")[2, 4, 1:]
    one = replace(CHOICE, block=2, head=4, mask_ratio=0.3)
    assert measures.share(maps, one) == pytest.approx(row[mask].sum() / row.sum())
    mean = showcase.cls_rows(3, "P")[:, :, 1:].mean((0, 1))
    both = replace(CHOICE, mask_ratio=0.3)
    assert measures.share(maps, both) == pytest.approx(mean[mask].sum() / mean.sum())


def test_the_shares_of_the_scenes_have_an_interval():
    interval = measures.mean_share(CHOICE)
    shares = [
        measures.share(attention_maps.stored(replace(CHOICE, image=n), None), CHOICE)
        for n in range(8)
    ]
    assert interval.n == 8
    assert interval.value == pytest.approx(np.mean(shares))
    assert interval.low < interval.value < interval.high


def test_only_maps_of_the_bundled_model_on_scenes_are_stored():
    assert questions.is_scene(CHOICE)
    assert questions.is_scene(replace(CHOICE, own=Own(data="/images")))  # not used here
    assert not questions.is_scene(replace(CHOICE, model="deit_tiny_patch16_224"))
    assert not questions.is_scene(replace(CHOICE, own=Own(weights="/a.safetensors")))
    picture = Picture("a.png", np.zeros((8, 8, 3), np.uint8))
    assert not questions.is_scene(replace(CHOICE, own=Own(picture=picture)))


@pytest.mark.parametrize("head, query", [(2, None), (None, 5)])
def test_distances_of_one_head_or_patch_come_from_the_eight_scenes(head, query):
    choice = replace(CHOICE, head=head, block=1, mask_ratio=0.3)
    table = measures.distances(attention_maps.stored(choice, query), choice, query)
    means = []
    for number in range(showcase.SCENES):
        p, q = attention_maps.stored(replace(choice, image=number), query).pair(1, head)
        means.append(inside_outside(p, q, mask_of(attention_maps.alpha(number), 0.3)))
    np.testing.assert_allclose(table["value"], np.mean(means, 0))
    assert table["n"].tolist() == [8, 8]
    assert table["patches"].tolist() == [19, 45]


@pytest.mark.parametrize("block", [None, 4])
def test_distances_of_the_mean_over_heads_come_from_1000_scenes(block):
    choice = replace(CHOICE, block=block, mask_ratio=0.3)
    table = measures.distances(attention_maps.stored(choice, None), choice, None)
    assert table["part"].tolist() == ["inside the mask", "outside the mask"]
    assert table["n"].tolist() == [1000, 1000]
    assert table["patches"].tolist() == [19, 45]
    assert (table["low"] < table["value"]).all()
    # The eight scenes are among those 1000, so their mean is similar.
    pairs = [
        attention_maps.stored(replace(choice, image=n), None).pair(block, None) for n in range(8)
    ]
    masks = [mask_of(attention_maps.alpha(n), 0.3) for n in range(8)]
    few = np.mean([inside_outside(*pair, mask) for pair, mask in zip(pairs, masks, strict=True)], 0)
    np.testing.assert_allclose(table["value"], few, rtol=0.5)


@pytest.mark.parametrize("ratio", [round(0.05 * step, 2) for step in range(1, 21)])
def test_every_position_of_the_slider_has_its_rows(ratio):
    choice = replace(CHOICE, mask_ratio=ratio)
    assert len(measures.distances(attention_maps.stored(choice, None), choice, None)) == 2
    table = measures.overlaps()
    assert np.isclose(table["ratio"], ratio).sum() == 6


def test_distances_of_a_computed_image_come_from_that_image():
    maps = replace(attention_maps.stored(CHOICE, None), live=True)
    table = measures.distances(maps, CHOICE, None)
    assert table["n"].tolist() == [1, 1]
    assert "Computed just now: Q at W4A4" in maps.origin


def test_overlaps_are_percentages_of_two_kinds_of_masks():
    table = measures.overlaps()
    raw = showcase.overlap()
    assert set(table["mask"]) == {"informative", "random"}
    assert set(table["measure"]) == {"precision", "recall", "IoU"}
    random = table[table["mask"] == "random"]["value"].to_numpy()
    np.testing.assert_allclose(random, 100 * raw["random_value"])


# Queries to a worker.


def page() -> None:
    import streamlit as st

    from maskaq.ui.widgets import query as ask

    st.text(str(ask.answer("twice", ("seven",), {"query": st.session_state.get("query", 7)})))


class Worker:
    """Resolves its futures when the test says so."""

    def __init__(self) -> None:
        self.futures: list[Future[int]] = []

    def quick(self, name: str, **plain: int) -> Future[int]:
        assert (name, set(plain)) == ("twice", {"query"})
        self.futures.append(Future())
        return self.futures[-1]


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    worker = Worker()
    monkeypatch.setattr(service, "quick", worker.quick)
    monkeypatch.delenv("MASKAQ_READONLY", raising=False)
    return worker


@pytest.fixture
def app(worker: Worker) -> AppTest:
    return AppTest.from_function(page, default_timeout=30).run()


def shown(app: AppTest) -> str:
    assert not app.exception
    return str(app.text[0].value)


def test_a_query_starts_on_request_and_runs_once(app, worker):
    assert shown(app) == "None"
    assert not worker.futures
    app.button[0].click().run()
    assert shown(app) == "None"
    assert len(app.get("progress")) == 1
    assert not app.button
    app.run()
    assert len(worker.futures) == 1
    worker.futures[0].set_result(14)
    assert shown(app.run()) == "14"
    assert shown(app.run()) == "14"
    assert len(worker.futures) == 1


def test_answers_are_cached_up_to_a_limit(app, worker):
    app.button[0].click().run()
    for query in range(100, 120):
        app.session_state["query"] = query
        app.run()
        worker.futures[-1].set_result(2 * query)
        assert shown(app.run()) == str(2 * query)
    assert len(worker.futures) == 21
    assert shown(app.run()) == "238"
    assert len(worker.futures) == 21
    assert len(app.session_state[ask._ANSWERS]) == ask._CACHED
    assert worker.futures[0].cancelled()  # it was still queued


@pytest.mark.parametrize("lost", [False, True])
def test_a_failed_query_shows_its_error_and_is_not_repeated_by_itself(lost, app, worker):
    app.button[0].click().run()
    if lost:
        worker.futures[0].cancel()
    else:
        worker.futures[0].set_exception(RunError("no worker is left."))
    assert shown(app.run()) == "None"
    assert ("was cancelled" if lost else "no worker is left") in app.error[0].value
    assert len(worker.futures) == 1
    if lost:  # a rerun does not start it again, and shows the button
        assert shown(app.run()) == "None"
        assert len(worker.futures) == 1
    (button,) = app.button
    assert button.label == ("Compute" if lost else "Try again")
    button.click().run()
    worker.futures[1].set_result(14)
    assert shown(app.run()) == "14"


def test_a_demo_starts_no_query(worker, monkeypatch):
    monkeypatch.setenv("MASKAQ_READONLY", "1")
    app = AppTest.from_function(page, default_timeout=30).run()
    assert app.button[0].disabled
    assert not worker.futures


def test_a_quick_answer_is_waited_for(worker, monkeypatch):
    """It is drawn in the same rerun, without a progress bar."""

    def quick(name, **plain):
        future = worker.quick(name, **plain)
        Timer(0.1, future.set_result, (14,)).start()
        return future

    monkeypatch.setattr(service, "quick", quick)
    app = AppTest.from_function(patient, default_timeout=30).run()
    assert shown(app) == "14"
    assert not app.get("progress")


def patient() -> None:
    import streamlit as st

    from maskaq.ui.widgets import query as ask

    ask.request("twice", ("seven",))
    assert ask.requested("twice", ("seven",))
    st.text(str(ask.answer("twice", ("seven",), {"query": 7}, patience=5)))


def test_visitors_do_not_share_answers(app, worker):
    app.button[0].click().run()
    worker.futures[0].set_result(14)
    assert shown(app.run()) == "14"
    other = AppTest.from_function(page, default_timeout=30).run()
    assert shown(other) == "None"
    assert other.button
