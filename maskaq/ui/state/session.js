// The key of a browser tab: kept in its sessionStorage, and sent to the server.
// `crypto.randomUUID` exists on https and localhost only, `getRandomValues` everywhere. A private
// window may forbid storage; the key then lasts as long as the page.
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
  if (!data || !data.answered) setStateValue("key", key);
}
