// The chart of a metric by number format: a point with its interval for each source of images, and
// full precision as a line. A click chooses a format.
//
// sources: name, label, colour, and q, which maps a format to value, low and high, in 0..1. range:
// lowest and highest value of the axis. size: width and height of the drawing.
function drawScores(parent, { metric, bits, p, n, sources, range, size }, chosen, onChoose) {
  const [width, height] = size;
  const [left, bottom] = [40, 24];
  const [low, high] = range;
  const share = (value, digits = 1) => `${(100 * value).toFixed(digits)} %`;
  parent.replaceChildren();
  parent.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const words = bits.map((format) => `${format}: ${sources.map(({ label, q }) => `${label} ${share(q[format][0])}`).join(", ")}`);
  parent.setAttribute("aria-label", `${metric} of Q. Full precision ${share(p[0])}. ${words.join(". ")}. n = ${n}.`);
  const step = (width - left) / bits.length;
  const y = (value) => 24 + ((high - value) * (height - bottom - 30)) / Math.max(1e-9, high - low);
  svg(parent, "rect", { class: "now", x: left + bits.indexOf(chosen.bits) * step, y: 16, width: step, height: height - bottom - 12 });
  for (const value of [low, (low + high) / 2, high]) {
    svg(parent, "line", { class: "axis", x1: left, x2: width, y1: y(value), y2: y(value) });
    svg(parent, "text", { x: left - 4, y: y(value) + 4, "text-anchor": "end" }, share(value, 0));
  }
  svg(parent, "line", { x1: left, x2: width, y1: y(p[0]), y2: y(p[0]), stroke: "var(--p)", "stroke-width": 2, "stroke-dasharray": "5 3" });
  let place = left;
  for (const [label, colour] of [[`${metric} in full precision`, "var(--p)"], ...sources.map((one) => [one.label, one.colour])]) {
    svg(parent, "circle", { cx: place + 4, cy: 6, r: 4, fill: colour });
    svg(parent, "text", { x: place + 12, y: 10 }, label);
    place += 24 + 5.8 * label.length;
  }
  bits.forEach((format, i) => {
    const middle = left + (i + 0.5) * step;
    svg(parent, "text", { x: middle, y: height - 6, "text-anchor": "middle", "font-weight": format === chosen.bits ? 700 : 400 }, format);
    sources.forEach(({ name, colour, q }, k) => {
      const [value, from, to] = q[format];
      const x = middle + (k - (sources.length - 1) / 2) * 16;
      svg(parent, "line", { x1: x, x2: x, y1: y(from), y2: y(to), stroke: colour, "stroke-width": 2 });
      svg(parent, "circle", { cx: x, cy: y(value), r: format === chosen.bits && name === chosen.source ? 6 : 4, fill: colour });
    });
    svg(parent, "rect", { class: "hit", x: left + i * step, y: 12, width: step, height: height - 12 }).addEventListener("click", () => onChoose(format));
  });
}
