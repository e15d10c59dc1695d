// The chart of the metric by number format, and the sentences. Nothing here keeps state.

function percent(value, digits = 1) {
  return `${(100 * value).toFixed(digits)} %`;
}

// Share of two class maps that is equal, of all pixels.
function sameShare(p, q) {
  let same = 0;
  for (let i = 0; i < p.length; i++) same += p[i] === q[i];
  return same / p.length;
}

// Objects that P finds, and how many of them Q finds too.
function sameObjects(p, q, least) {
  const sure = (boxes) => boxes.filter(([number, score]) => number >= 0 && score >= least);
  const found = sure(p).filter((one) => sure(q).some((other) => other[0] === one[0] && overlap(one, other) >= 0.5));
  return [found.length, sure(p).length, sure(q).length];
}

function overlap([, , left, top, right, bottom], [, , l, t, r, b]) {
  const both = Math.max(0, Math.min(right, r) - Math.max(left, l)) * Math.max(0, Math.min(bottom, b) - Math.max(top, t));
  return both / ((right - left) * (bottom - top) + (r - l) * (b - t) - both);
}

function drawScores(parent, about, chosen, onChoose) {
  const [width, height, left, bottom] = [520, 170, 40, 24];
  parent.replaceChildren();
  parent.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const all = about.sources.flatMap((source) => about.bits.flatMap((bits) => about.q[source][bits]));
  const low = Math.max(0, Math.floor(10 * Math.min(...all, about.p[1])) / 10);
  const high = Math.min(1, Math.ceil(10 * Math.max(...all, about.p[2])) / 10);
  const y = (value) => 24 + ((high - value) * (height - bottom - 30)) / Math.max(1e-9, high - low);
  const step = (width - left) / about.bits.length;
  const words = about.bits.map((bits) => `${bits}: ${about.sources.map((one) => `${one} ${percent(about.q[one][bits][0])}`).join(", ")}`);
  svg(parent, "title", {}, `${about.metric} of Q. Full precision ${percent(about.p[0])}. ${words.join(". ")}. n = ${about.n}.`);
  svg(parent, "rect", { class: "now", x: left + chosen.bits * step, y: 16, width: step, height: height - bottom - 12 });
  for (const value of [low, (low + high) / 2, high]) {
    svg(parent, "line", { class: "axis", x1: left, x2: width, y1: y(value), y2: y(value) });
    svg(parent, "text", { x: left - 4, y: y(value) + 4, "text-anchor": "end" }, percent(value, 0));
  }
  svg(parent, "line", { x1: left, x2: width, y1: y(about.p[0]), y2: y(about.p[0]), stroke: "var(--p)", "stroke-width": 2, "stroke-dasharray": "5 3" });
  let place = left;
  for (const [name, own] of [[`${about.metric} in full precision`, "var(--p)"], ...about.sources.map((one) => [one, `var(--${one})`])]) {
    svg(parent, "circle", { cx: place + 4, cy: 6, r: 4, fill: own });
    svg(parent, "text", { x: place + 12, y: 10 }, name);
    place += 26 + 6 * name.length;
  }
  about.bits.forEach((bits, i) => {
    const middle = left + (i + 0.5) * step;
    svg(parent, "text", { x: middle, y: height - 6, "text-anchor": "middle", "font-weight": i === chosen.bits ? 700 : 400 }, bits);
    about.sources.forEach((source, k) => {
      const [value, from, to] = about.q[source][bits];
      const x = middle + (k - (about.sources.length - 1) / 2) * 16;
      const own = `var(--${source})`;
      svg(parent, "line", { x1: x, x2: x, y1: y(from), y2: y(to), stroke: own, "stroke-width": 2 });
      svg(parent, "circle", { cx: x, cy: y(value), r: i === chosen.bits && source === chosen.source ? 6 : 4, fill: own });
    });
    svg(parent, "rect", { class: "hit", x: left + i * step, y: 12, width: step, height: height - 12 }).addEventListener("click", () => onChoose(i));
  });
}
