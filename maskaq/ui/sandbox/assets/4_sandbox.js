// The sandbox: one object per mounted component. It keeps the levels while they are dragged, and
// tells Python about them when they are let go.

const NEAR = 10; // pixels within which a level is caught

class Sandbox {
  constructor(root) {
    this.root = root;
    this.plot = root.querySelector(".plot");
    this.spot = null; // place of the number under the pointer, among the sorted ones
    this.grip = null; // what is dragged
    this.stops = [];
    this.build();
    this.wire();
  }

  find(selector) {
    return this.root.querySelector(selector);
  }

  // New data from Python. The same bytes come again with every rerun of the page.
  update(bytes, send) {
    this.send = send;
    const message = unpack(bytes);
    const dark = isDark(this.root);
    this.root.classList.toggle("dark", dark);
    if (this.message?.stamp === message.stamp || this.grip) return;
    const { values, levels, edges, codes, hand_levels: hand, hand_edges: borders } = message.arrays;
    const fresh = this.message?.settings !== message.settings;
    this.message = message;
    this.values = values.data;
    this.sorted = Float32Array.from(values.data).sort();
    this.codes = codes.data;
    this.rule = { levels: Array.from(levels.data), edges: Array.from(edges.data) };
    this.now = hand ? { levels: Array.from(hand.data), edges: Array.from(borders.data) } : this.rule;
    if (fresh) this.spot = null;
    this.draw();
  }

  get byHand() {
    return this.now !== this.rule;
  }

  // The values on the two sides of the plot. It stays while levels are dragged.
  get limits() {
    const [low, high] = [Math.min(this.sorted[0], this.rule.edges[0]), Math.max(this.sorted[this.sorted.length - 1], this.rule.edges[this.rule.edges.length - 1])];
    const margin = 0.06 * (high - low) || 1;
    return [low - margin, high + margin];
  }

  // Layers from back to front. Handles stay when all else is drawn again, or they would lose focus.
  build() {
    for (const name of ["back", "front", "handles"]) this[name] = svg(this.plot, "g", {});
    this.ends = ["lower", "upper"].map((side, end) => {
      const group = svg(this.handles, "g", { class: "edge", tabindex: 0, role: "slider", "aria-label": `${side} end of the clipping range` });
      svg(group, "line", { x1: 0, x2: 0, y1: PLOT.top - 8, y2: PLOT.level });
      svg(group, "circle", { cx: 0, cy: PLOT.top - 10, r: 8 });
      svg(group, "rect", { x: -9, y: 0, width: 18, height: PLOT.axis, fill: "transparent" });
      group.addEventListener("pointerdown", (event) => this.take(event, { end }));
      group.addEventListener("keydown", (event) => this.nudge(event, { end }));
      return group;
    });
  }

  draw() {
    const { levels, edges } = this.now;
    const width = this.plot.clientWidth || 700;
    this.plot.setAttribute("viewBox", `0 0 ${width} 330`);
    this.across = scale(width, this.limits);
    const found = measure(this.values, this.now);
    const value = this.spot === null ? null : this.sorted[this.spot];
    const here = value === null ? -1 : placeOf(value, edges);
    this.back.replaceChildren();
    this.front.replaceChildren();
    drawNumbers(this.back, this.values, this.across);
    drawRange(this.back, edges, this.across, width);
    drawWays(this.back, levels, edges, this.across, here);
    drawAxis(this.back, this.across, width);
    drawLevels(this.front, levels, found.counts, this.across);
    if (value !== null) drawArrow(this.front, value, levels[here], this.across);
    svg(this.front, "text", { x: width / 2, y: 14, "text-anchor": "middle" }, "numbers");
    svg(this.front, "text", { x: width - PLOT.side, y: PLOT.bottom, "text-anchor": "end" }, "after rounding");
    this.ends.forEach((group, end) => {
      const edge = edges[end * levels.length];
      group.setAttribute("transform", `translate(${this.across.x(edge)} 0)`);
      group.setAttribute("aria-valuemin", this.across.low);
      group.setAttribute("aria-valuemax", this.across.high);
      group.setAttribute("aria-valuenow", edge);
      group.setAttribute("aria-valuetext", short(edge));
    });
    this.say(found, value, here);
    this.root.dataset.drawn = Number(this.root.dataset.drawn || 0) + 1;
  }

  say(found, value, here) {
    const { levels, edges } = this.now;
    const strong = document.createElement("strong");
    const [head, text] = verdict(found, this.message, this.byHand);
    strong.textContent = head;
    this.find(".verdict").replaceChildren(strong, text);
    this.find(".spot").textContent = value === null
      ? "Point at a number to see where it goes."
      : spotText(value, here, levels, edges, this.codes, found.counts[here]);
    this.find(".back").disabled = !this.byHand;
  }

  wire() {
    this.plot.addEventListener("pointermove", (event) => this.move(event));
    this.plot.addEventListener("pointerleave", () => !this.grip && this.point(null));
    this.plot.addEventListener("pointerdown", (event) => this.catchLevel(event));
    for (const name of ["pointerup", "pointercancel"]) this.plot.addEventListener(name, () => this.letGo());
    this.plot.addEventListener("keydown", (event) => this.key(event));
    this.find(".back").addEventListener("click", () => {
      this.now = this.rule;
      this.draw();
      this.tell();
    });
    const sizes = new ResizeObserver(() => this.message && this.plot.clientWidth && this.draw());
    sizes.observe(this.plot);
    this.stops.push(() => sizes.disconnect());
  }

  at(event) {
    const box = this.plot.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  take(event, grip) {
    if (event.button) return;
    event.stopPropagation();
    this.grip = grip;
    this.plot.setPointerCapture(event.pointerId);
  }

  catchLevel(event) {
    const { x, y } = this.at(event);
    if (y < PLOT.level - 14) return;
    const distances = this.now.levels.map((level) => Math.abs(this.across.x(level) - x));
    const place = distances.indexOf(Math.min(...distances));
    if (distances[place] <= NEAR) this.take(event, { place });
  }

  move(event) {
    const { x } = this.at(event);
    const value = this.across.value(x);
    if (this.grip) this.change(this.grip, value);
    else this.point(nearest(this.sorted, value));
  }

  point(spot) {
    if (spot === this.spot) return;
    this.spot = spot;
    this.draw();
  }

  change({ end, place }, goal) {
    const value = Math.min(Math.max(goal, this.across.low), this.across.high);
    this.now = end === undefined ? moved(this.now, place, value) : stretched(this.now, end, value, this.message.symmetric);
    this.draw();
  }

  letGo() {
    if (!this.grip) return;
    this.grip = null;
    this.tell();
  }

  // A hundredth of the width for each press of an arrow key.
  nudge(event, grip) {
    const side = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
    if (!side) return;
    event.preventDefault();
    event.stopPropagation();
    const { levels, edges } = this.now;
    const from = grip.end === undefined ? levels[grip.place] : edges[grip.end * levels.length];
    this.change(grip, from + (side * (this.across.high - this.across.low)) / 100);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.tell(), 500);
  }

  key(event) {
    const side = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!side) return;
    event.preventDefault();
    const last = this.sorted.length - 1;
    const spot = this.spot ?? Math.floor(last / 2);
    if (event.shiftKey) {
      this.nudge(event, { place: placeOf(this.sorted[spot], this.now.edges) });
    } else {
      const step = Math.max(1, Math.round(last / 100));
      this.point(Math.min(last, Math.max(0, spot + side * step)));
    }
  }

  tell() {
    const { levels, edges } = this.now;
    const { settings } = this.message;
    this.send("levels", { settings, levels: this.byHand ? levels : [], edges: this.byHand ? edges : [] });
  }

  close() {
    clearTimeout(this.timer);
    for (const stop of this.stops) stop();
  }
}

// Place of the number nearest to a value, among sorted ones.
function nearest(sorted, value) {
  let [low, high] = [0, sorted.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle;
    else high = middle;
  }
  return value - sorted[low] < sorted[high] - value ? low : high;
}
