"""Who is asking: one browser tab, known again after a reload, and the runs it has started.

A reload gives a page a new Streamlit session, and the address cannot tell visitors apart, because
it is shared with others. So the tab keeps a random key in its `sessionStorage`, which survives a
reload and which no other tab can read. It is a secret between that tab and the server: it is never
shown, logged or put into an address.
"""

from __future__ import annotations

import uuid

import streamlit as st

from maskaq.jobs import service
from maskaq.jobs.job import Record

PAGE = "_page"  # in the session: file of the page that is shown
_TAB = "_tab"  # in the session: the key of the component
_OWNER = "_owner"  # the name under which this session's runs are kept
_PINNED = "_owner_pinned"  # a run was started under that name
_ANSWERED = "_tab_answered"  # that name came from the tab

# `crypto.randomUUID` exists on https and localhost only, `getRandomValues` everywhere. A private
# window may forbid storage; the key then lasts as long as the page.
_SCRIPT = """
const NAME = "maskaq-tab";

function fresh() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const cuts = [0, 8, 12, 16, 20, 32];
  return cuts.slice(1).map((end, i) => hex.slice(cuts[i], end)).join("-");
}

export default function ({ setStateValue, data }) {
  let key = null;
  try {
    key = sessionStorage.getItem(NAME);
    if (!key) {
      key = fresh();
      sessionStorage.setItem(NAME, key);
    }
  } catch (error) {
    key = key || fresh();
  }
  if (!data || !data.known) setStateValue("key", key);
}
"""


def tab() -> None:
    """Ask the tab for its key; draws nothing that can be seen. The answer starts one more run."""
    state = st.session_state
    component = st.components.v2.component("maskaq_tab", js=_SCRIPT)
    answer = component(
        key=_TAB,
        data={"known": state.get(_ANSWERED, False)},
        on_key_change=lambda: None,
        height=1,
    )
    key = getattr(answer, "key", None)
    if is_key(key) and not state.get(_PINNED):
        state[_OWNER], state[_ANSWERED] = key, True


def owner() -> str:
    """The name under which the runs of this tab are kept.

    Until the tab has answered, which takes a moment, and where scripts may not answer at all, it is
    a random one that ends with the page.
    """
    made: str = st.session_state.setdefault(_OWNER, str(uuid.uuid4()))
    return made


def pin() -> None:
    """Keep the present owner: something was started in its name."""
    owner()
    st.session_state[_PINNED] = True


def records() -> list[Record]:
    """The runs of this tab, oldest first. Looking starts no process."""
    return service.runs_of(owner())


def is_key(value: object) -> bool:
    """Whether this is a key as the tab makes it; a stranger may send anything."""
    if not isinstance(value, str) or len(value) != 36:
        return False
    try:
        return str(uuid.UUID(value)) == value
    except ValueError:
        return False
