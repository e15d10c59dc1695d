// What the visitor does: point, choose, move controls, play the film, break the model.

const BREAK_MS = 1400;
const FILM_MS = 450;
const URL_MS = 250;
// What is drawn again when a part of the view changes, beside the controls.
const FOLLOWS = {
  block: ["heads", "entropy"],
  ratio: ["picture", "heads", "inside", "entropy"],
  bits: ["answers", "inside"],
  source: ["answers", "inside"],
};
const OWN_TYPES = ["image/png", "image/jpeg", "image/webp"];
const OWN_BYTES = 20e6;
const OWN_SIDE = 640; // pixels of a visitor's picture, at most

Object.assign(Playground.prototype, {
  set(change) {
    this.view = { ...this.view, ...change };
    this.draw("controls", ...Object.keys(change).flatMap((name) => FOLLOWS[name]));
    this.remember();
    const { picture } = this.message;
    if (picture.kind === "own" && ("bits" in change || "source" in change)) {
      this.send("wanted", { view: this.view });
    }
  },

  remember() {
    clearTimeout(this.writing);
    this.writing = setTimeout(() => {
      const { picture, source, bits, block, ratio, patch } = this.view;
      const url = new URL(location.href);
      const text = [picture, source, bits, `block${block}`, `mask${ratio}`, patch === null ? "cls" : `patch${patch}`].join(",");
      if (this.message.picture.kind === "own") return;
      url.searchParams.set("view", text);
      history.replaceState(history.state, "", url.href.replaceAll("%2C", ","));
    }, URL_MS);
  },

  choose(name) {
    if (!name || name === this.view.picture) return;
    this.send("picture", { name, view: { ...this.view, picture: name, patch: null } });
  },

  point(query, pinned = false) {
    if (!this.full) return;
    if (pinned) {
      this.view = { ...this.view, patch: query };
      this.hover = null;
      this.find(".spoken").textContent = `Attention from ${patchName(query, this.world.grid)}: ${this.spoken(query)}`;
      this.remember();
    } else this.hover = query;
    this.draw("picture", "heads");
  },

  spoken(query) {
    const mask = maskOf(this.order, this.view.ratio / 100);
    return this.rowsAt(query)[this.view.block].map((row, head) => `head ${head} ${percent(shareInside(row, mask))} in the mask`).join(", ");
  },

  // The visitor is about to bring a picture: let the server load the model's libraries meanwhile.
  warm() {
    if (this.warmed || this.message.readonly) return;
    this.warmed = true;
    this.send("warm", true);
  },

  patchAt(event) {
    const box = this.find(".picture").getBoundingClientRect();
    const [rows, columns] = this.world.grid;
    const clamp = (value, count) => Math.max(0, Math.min(count - 1, Math.floor(value * count)));
    const row = clamp((event.clientY - box.top) / box.height, rows);
    const column = clamp((event.clientX - box.left) / box.width, columns);
    return row * columns + column;
  },

  wire() {
    const on = (target, name, action, options) => {
      const element = typeof target === "string" ? this.find(target) : target;
      element.addEventListener(name, action, options);
      this.stops.push(() => element.removeEventListener(name, action, options));
    };
    on(".picture", "pointermove", (event) => this.point(this.patchAt(event)));
    on(".picture", "pointerleave", () => { this.hover = null; this.draw("picture", "heads"); });
    on(".picture", "click", (event) => this.point(this.patchAt(event), true));
    on(".picture", "keydown", (event) => this.key(event));
    on(".cls", "click", () => this.point(null, true));
    on(".block", "input", (event) => this.set({ block: Number(event.target.value) }));
    on(".ratio", "input", (event) => this.set({ ratio: Number(event.target.value) }));
    on(".break", "click", () => (this.breaking ? this.stopBreaking() : this.breakIt()));
    on(".play", "click", () => (this.playing ? this.pause() : this.play()));
    on(".scrub", "input", (event) => { this.pause(); this.scrub(Number(event.target.value)); });
    on(".choose", "click", () => this.find(".file").click());
    on(".file", "change", (event) => { this.own(event.target.files[0]); event.target.value = ""; });
    on(".camera", "click", () => this.send("camera", Date.now()));
    on("header", "click", (event) => this.go(event.target.dataset?.go));
    for (const name of ["pointerenter", "focusin"]) on(".own", name, () => this.warm());
    on(this.root, "dragenter", () => this.warm());
    on(this.root, "dragover", (event) => { event.preventDefault(); this.root.classList.add("dropping"); });
    on(this.root, "dragleave", () => this.root.classList.remove("dropping"));
    on(this.root, "drop", (event) => {
      event.preventDefault();
      this.root.classList.remove("dropping");
      this.own(event.dataTransfer.files[0]);
    });
    on(document, "paste", (event) => {
      const file = [...(event.clipboardData?.files ?? [])].find((one) => one.type.startsWith("image/"));
      if (file) this.own(file);
    });
    const sizes = new ResizeObserver(() => this.image && this.draw("picture"));
    sizes.observe(this.find(".picture"));
    this.stops.push(() => sizes.disconnect());
  },

  key(event) {
    const [rows, columns] = this.world.grid;
    const moves = { ArrowUp: -columns, ArrowDown: columns, ArrowLeft: -1, ArrowRight: 1 };
    if (event.key === "Escape") return this.point(null, true);
    if (!(event.key in moves)) return undefined;
    event.preventDefault();
    const now = this.view.patch ?? Math.floor(rows / 2) * columns + Math.floor(columns / 2) - moves[event.key];
    const next = now + moves[event.key];
    const wraps = Math.abs(moves[event.key]) === 1 && Math.floor(next / columns) !== Math.floor(now / columns);
    if (next < 0 || next >= rows * columns || wraps) return undefined;
    return this.point(next, true);
  },

  go(way) {
    if (way === "mine") return this.message.readonly ? undefined : this.find(".file").click();
    return way ? this.send("go", way) : undefined;
  },

  // Walk the bits down, then return to where noise fails and MaskAQ holds.
  breakIt() {
    const { bits } = this.world;
    let place = 0;
    const next = () => {
      if (place > bits.length) return this.stopBreaking();
      this.set({ bits: bits[place] ?? breakingPoint(this.world) ?? this.view.bits });
      place += 1;
      this.breaking = this.later(next, BREAK_MS);
      return undefined;
    };
    this.breaking = true;
    next();
  },

  stopBreaking() {
    if (!this.breaking) return;
    clearTimeout(this.breaking);
    this.breaking = null;
    this.draw("controls");
  },

  scrub(step) {
    if (!this.film) return;
    const side = this.film.height / this.world.steps.length;
    this.find(".film-images").querySelectorAll("canvas").forEach((canvas, cell) => {
      canvas.getContext("2d").drawImage(this.film, cell * side, step * side, side, side, 0, 0, side, side);
    });
    this.find(".scrub").value = step;
    this.find(".step-out").textContent = `step ${this.world.steps[step]} of ${this.world.steps.at(-1)}`;
    this.step = step;
  },

  play() {
    const last = this.world.steps.length - 1;
    if (this.step >= last) this.scrub(0);
    const next = () => {
      if (this.step >= last) return this.pause();
      this.scrub(this.step + 1);
      this.playing = this.later(next, FILM_MS);
      return undefined;
    };
    this.playing = this.later(next, FILM_MS);
    this.find(".play").setAttribute("aria-pressed", "true");
    this.find(".play").textContent = "Pause";
  },

  pause() {
    clearTimeout(this.playing);
    this.playing = null;
    this.find(".play").setAttribute("aria-pressed", "false");
    this.find(".play").textContent = "Play";
  },

  // A visitor's picture: shown at once, then sent to the server.
  async own(file) {
    if (!file || this.message.readonly) return;
    const status = this.find(".status");
    const refuse = (text) => { status.textContent = text; status.classList.add("wrong"); };
    if (!OWN_TYPES.includes(file.type)) return void refuse(`${file.name} is ${file.type || "of an unknown type"}; allowed: PNG, JPEG or WebP.`);
    if (file.size > OWN_BYTES) return void refuse(`${file.name} has ${(file.size / 1e6).toFixed(1)} MB; allowed: up to ${OWN_BYTES / 1e6} MB.`);
    let picture;
    try {
      picture = await createImageBitmap(file);
    } catch {
      return void refuse(`${file.name} cannot be read as a picture; allowed: PNG, JPEG or WebP.`);
    }
    const scale = Math.min(1, OWN_SIDE / Math.max(picture.width, picture.height));
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [picture.width, picture.height].map((side) => Math.max(1, Math.round(side * scale)));
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    const side = Math.min(picture.width, picture.height);
    this.local = await createImageBitmap(picture, (picture.width - side) / 2, (picture.height - side) / 2, side, side);
    status.classList.remove("wrong");
    status.textContent = `Asking the model about ${file.name} ...`;
    this.draw("picture", "answers");
    const address = canvas.toDataURL("image/png");
    this.send("own", { name: file.name.slice(0, 80), data: address.slice(address.indexOf(",") + 1), view: this.view });
  },
});
