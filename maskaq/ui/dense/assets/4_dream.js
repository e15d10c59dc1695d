// Paint regions, and see pictures that the model segments so. The painting stays in the browser
// until "Dream it" sends it to Python, which answers with pictures at several stages.

const GREY = "#8a8a8a"; // behind a painting
const KEPT = "maskaq-painting"; // in the browser's storage of this tab
const FRAME = 130; // milliseconds of a stage while a new dream is played

class Dream {
  constructor(root) {
    this.root = root;
    this.chosen = { brush: 0, picture: 0, stage: 0 };
    this.cursor = [0, 0];
    this.last = null; // cell under the pointer while the visitor paints
    this.wire();
  }

  find(selector) {
    return this.root.querySelector(selector);
  }

  close() {
    clearInterval(this.player);
  }

  // The same bytes come again with every rerun of the page.
  async update(bytes, send) {
    this.send = send;
    this.root.classList.toggle("dark", isDark(this.root));
    const message = unpack(bytes);
    const fresh = this.about?.stamp !== message.stamp;
    const first = !this.about;
    this.about = message;
    if (first) this.begin(message);
    if (fresh) {
      this.chosen.stage = message.steps.length - 1;
      if (!first) this.play();
    }
    this.draw();
  }

  begin({ arrays, classes, palette }) {
    this.cells = this.kept(arrays.latest.data.length) ?? Uint8Array.from(arrays.latest.data);
    this.side = arrays.painting.shape[0];
    this.chosen.brush = this.cells.find((number) => number !== classes.length - 1) ?? 0;
    this.cursor = [this.side >> 1, this.side >> 1];
    this.find(".classes").replaceChildren(...classes.map((name, number) => {
      const button = document.createElement("button");
      button.type = "button";
      const patch = document.createElement("i");
      patch.style.background = number === classes.length - 1 ? GREY : ink(colour(palette, number));
      button.append(patch, name);
      button.onclick = () => this.choose({ brush: number });
      return button;
    }));
    this.find(".pictures-of").replaceChildren(...Array.from({ length: arrays.images.shape[1] }, (_, picture) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = picture + 1;
      button.onclick = () => this.choose({ picture });
      return button;
    }));
  }

  wire() {
    const canvas = this.find(".painting");
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button || !event.isPrimary) return;
      canvas.setPointerCapture(event.pointerId);
      this.last = this.cellOf(event);
      this.stroke(this.last);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (this.last && event.isPrimary) this.stroke(this.cellOf(event));
    });
    for (const name of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(name, () => {
        this.last = null;
        this.keep();
      });
    }
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("focus", () => { this.warm(); this.draw(); });
    canvas.addEventListener("blur", () => this.draw());
    this.find(".brush").oninput = () => this.draw();
    this.find(".opacity").oninput = () => this.draw();
    this.find(".stage").oninput = (event) => {
      clearInterval(this.player);
      this.choose({ stage: Number(event.target.value) });
    };
    this.find(".clear").onclick = () => {
      this.cells.fill(this.ground);
      this.keep();
      this.draw();
    };
    this.find(".go").onclick = () => {
      this.about.waiting = true; // until Python says otherwise
      this.send("painting", { cells: Array.from(this.cells) });
      this.draw();
    };
  }

  // Keep the painting for this tab of the browser, also when another page is shown meanwhile.
  keep() {
    this.warm();
    try {
      sessionStorage.setItem(KEPT, Array.from(this.cells).join());
    } catch {
      // The browser allows no storage: the painting is lost when the page is left.
    }
  }

  kept(count) {
    try {
      const cells = sessionStorage.getItem(KEPT)?.split(",").map(Number) ?? [];
      const known = (number) => Number.isInteger(number) && number >= 0 && number <= this.ground;
      return cells.length === count && cells.every(known) ? Uint8Array.from(cells) : null;
    } catch {
      return null;
    }
  }

  // Let Python load PyTorch while the visitor still paints.
  warm() {
    if (this.warmed || this.about.off) return;
    this.warmed = true;
    this.send("warm", true);
  }

  get ground() {
    return this.about.classes.length - 1;
  }

  // Whether the pictures belong to the present painting.
  get current() {
    return this.cells.every((number, i) => number === this.about.arrays.painting.data[i]);
  }

  get after() {
    const count = this.about.steps[this.chosen.stage];
    return `After ${count} step${count === 1 ? "" : "s"}`;
  }

  choose(change) {
    Object.assign(this.chosen, change);
    this.draw();
  }

  cellOf(event) {
    const box = this.find(".painting").getBoundingClientRect();
    const place = (at, from, size) => Math.max(0, Math.min(this.side - 1, Math.floor(((at - from) / size) * this.side)));
    return [place(event.clientX, box.left, box.width), place(event.clientY, box.top, box.height)];
  }

  // Paint from the last cell to this one, so that a fast pointer leaves no gaps.
  stroke(to) {
    const from = this.last;
    const count = Math.max(1, Math.abs(to[0] - from[0]), Math.abs(to[1] - from[1]));
    for (let k = 0; k <= count; k++) this.dab(from.map((at, axis) => Math.round(at + ((to[axis] - at) * k) / count)));
    this.last = this.cursor = to;
    this.draw();
  }

  dab([x, y]) {
    const reach = (Number(this.find(".brush").value) - 1) / 2;
    for (let v = Math.max(0, y - reach); v <= Math.min(this.side - 1, y + reach); v++) {
      for (let u = Math.max(0, x - reach); u <= Math.min(this.side - 1, x + reach); u++) this.cells[v * this.side + u] = this.chosen.brush;
    }
  }

  key(event) {
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!move && event.key !== " ") return;
    event.preventDefault();
    if (move) this.cursor = this.cursor.map((at, axis) => Math.max(0, Math.min(this.side - 1, at + move[axis])));
    else {
      this.dab(this.cursor);
      this.keep();
    }
    this.draw();
  }

  // Show the stages of a new dream one after the other.
  play() {
    clearInterval(this.player);
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    this.chosen.stage = 0;
    this.player = setInterval(() => {
      if (this.chosen.stage + 1 >= this.about.steps.length) return clearInterval(this.player);
      this.choose({ stage: this.chosen.stage + 1 });
    }, FRAME);
  }

  // A plane of the arrays at a stage, for the chosen picture.
  at(name, stage, size) {
    const { data, shape } = this.about.arrays[name];
    const from = (stage * shape[1] + this.chosen.picture) * size;
    return data.subarray(from, from + size);
  }

  draw() {
    const { about, chosen } = this;
    const large = about.arrays.target.shape[0];
    const opacity = Number(this.find(".opacity").value) / 100;
    const painted = this.drawPainting();
    const dreamt = this.find(".dreamt");
    const context = drawPixels(dreamt, this.at("images", chosen.stage, 3 * large * large), large);
    const seen = drawRegions(context, this.at("maps", chosen.stage, large * large), large, about.classes, about.palette, opacity);
    dreamt.setAttribute("aria-label", `The model sees: ${seen.join(", ") || "nothing"}`);
    dreamt.classList.toggle("stale", !this.current);
    this.find(".painting").setAttribute("aria-label", `Your painting: ${painted.join(", ") || "nothing"}`);
    const stage = this.find(".stage");
    stage.max = about.steps.length - 1;
    stage.value = chosen.stage;
    this.find(".stage-name").textContent = this.after;
    this.find(".opacity-name").textContent = `Regions ${percent(opacity, 0)}`;
    this.find(".size-out").textContent = this.find(".brush").value;
    for (const [list, value] of [[".classes", chosen.brush], [".pictures-of", chosen.picture]]) {
      [...this.find(list).children].forEach((button, i) => button.setAttribute("aria-pressed", i === value));
    }
    const go = this.find(".go");
    go.disabled = Boolean(about.off) || about.waiting || this.current;
    go.textContent = about.waiting ? "Dreaming" : "Dream it";
    this.say(large);
    this.root.dataset.drawn = Number(this.root.dataset.drawn || 0) + 1;
  }

  drawPainting() {
    const canvas = this.find(".painting");
    if (canvas.width !== SIDE) [canvas.width, canvas.height] = [SIDE, SIDE];
    const context = canvas.getContext("2d");
    context.fillStyle = GREY;
    context.fillRect(0, 0, SIDE, SIDE);
    const seen = drawRegions(context, this.cells, this.side, this.about.classes, this.about.palette, 1);
    if (canvas.matches(":focus-visible")) {
      const cell = SIDE / this.side;
      const size = Number(this.find(".brush").value);
      const [left, top] = this.cursor.map((at) => (at - (size - 1) / 2) * cell);
      for (const [style, width] of [["#000", 5], ["#fff", 2]]) {
        context.strokeStyle = style;
        context.lineWidth = width;
        context.strokeRect(left, top, size * cell, size * cell);
      }
    }
    return seen;
  }

  say(large) {
    const { about, chosen } = this;
    const strong = document.createElement("strong");
    let rest = "";
    if (about.waiting) strong.textContent = "Dreaming: this takes some seconds.";
    else if (!this.current) {
      strong.textContent = about.off ? "Dreaming is switched off here." : "Press “Dream it”.";
      rest = " The picture beside it was made for another painting.";
    } else {
      const target = about.arrays.target.data;
      const share = (stage, ground) => {
        const map = this.at("maps", stage, large * large);
        let [hits, all] = [0, 0];
        for (let i = 0; i < target.length; i++) {
          if (target[i] === this.ground && !ground) continue;
          all += 1;
          hits += map[i] === target[i];
        }
        return all ? hits / all : NaN;
      };
      const own = share(chosen.stage, false);
      const whole = `${percent(share(chosen.stage, true), 0)} of all pixels`;
      strong.textContent = Number.isNaN(own)
        ? `${this.after}, the model sees background on ${whole}.`
        : `${this.after}, the model sees ${percent(own, 0)} of the painted pixels as painted. With the background it is ${whole}.`;
      if (!Number.isNaN(own)) rest = ` After the first step it was ${percent(share(0, false), 0)} of the painted pixels.`;
    }
    this.find(".verdict").replaceChildren(strong, rest);
    this.find(".note").textContent = about.note;
  }
}
