// The controls: buttons and strips that depend on the model, and which of them are pressed.

Object.assign(Playground.prototype, {
  drawControls() {
    const { view, world } = this;
    const range = (name, value, text, max) => {
      const input = this.find(`.${name}`);
      if (max !== undefined) input.max = max;
      input.value = value;
      this.find(`.${name}-out`).textContent = text;
    };
    range("block", view.block, `${view.block} (0 to ${world.blocks - 1})`, world.blocks - 1);
    range("ratio", view.ratio, `${view.ratio} %`);
    const [weights, activations] = numbersOf(view.bits);
    const pressed = (group, value) => this.root.querySelectorAll(`.${group} button`).forEach((button) => {
      button.setAttribute("aria-pressed", String(button.dataset.value === String(value)));
    });
    pressed("sources", view.source);
    pressed("weights", weights);
    pressed("activations", activations);
    this.root.querySelectorAll(".activations button").forEach((button) => {
      button.disabled = !world.bits.includes(`W${weights}A${button.dataset.value}`);
    });
    this.root.querySelectorAll(".strip button, .film-images button").forEach((button) => {
      button.setAttribute("aria-pressed", String(button.dataset.value === view.picture));
    });
    this.find(".break").textContent = this.breaking ? "Stop" : "Break it";
  },

  // Elements whose number depends on the model or on the message.
  layout() {
    const { world, message } = this;
    const dark = isDark(this.root);
    this.root.classList.toggle("dark", dark);
    const heads = this.find(".heads");
    if (heads.childElementCount !== world.heads) {
      heads.style.gridTemplateColumns = `repeat(${world.heads <= 4 ? world.heads : world.heads % 4 ? 3 : 4}, 1fr)`;
      heads.replaceChildren(...Array.from({ length: world.heads }, () => {
        const figure = document.createElement("figure");
        const canvas = figure.appendChild(document.createElement("canvas"));
        canvas.setAttribute("role", "img");
        figure.appendChild(document.createElement("span"));
        return figure;
      }));
    }
    this.choices(".sources", SOURCES.map((one) => [one.name, one.label]), (source) => this.set({ source }));
    const numbers = world.bits.map(numbersOf);
    const distinct = (i) => [...new Set(numbers.map((pair) => pair[i]))].sort((a, b) => b - a);
    this.choices(".weights", distinct(0).map((n) => [n, n]), (weights) => this.set({ bits: nearest(world.bits, weights, numbersOf(this.view.bits)[1]) }));
    this.choices(".activations", distinct(1).map((n) => [n, n]), (activations) => this.set({ bits: `W${numbersOf(this.view.bits)[0]}A${activations}` }));
    const status = this.find(".status");
    status.textContent = message.picture.status ?? "";
    status.classList.toggle("wrong", Boolean(message.picture.failed));
    for (const selector of [".choose", ".camera", ".file"]) this.find(selector).disabled = message.readonly;
    this.find(".own .hint").textContent = message.readonly ? "this server shows stored results only" : "or drop or paste one";
  },

  choices(selector, entries, choose) {
    const group = this.find(selector);
    const mark = entries.join();
    if (group.dataset.mark === mark) return;
    group.dataset.mark = mark;
    group.replaceChildren(...entries.map(([value, label]) => {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.value = value;
      button.textContent = label;
      button.addEventListener("click", () => { this.stopBreaking(); choose(value); });
      return button;
    }));
  },

  async drawStrips(mark) {
    const { message, world } = this;
    const { arrays } = message;
    const place = (group, entries, sheet, cells) => {
      group.replaceChildren(...entries.map((entry) => {
        const button = document.createElement("button");
        button.type = "button";
        button.title = entry.title;
        button.setAttribute("aria-label", entry.title);
        button.dataset.value = entry.name;
        const canvas = button.appendChild(document.createElement("canvas"));
        const side = sheet.height / cells;
        [canvas.width, canvas.height] = [side, side];
        canvas.getContext("2d").drawImage(sheet, entry.cell * side, 0, side, side, 0, 0, side, side);
        button.disabled = !entry.name;
        button.addEventListener("click", () => this.choose(entry.name));
        return button;
      }));
    };
    const [film, ...sheets] = await Promise.all([
      bitmap(arrays.film.data),
      ...Object.keys(message.worlds).map((name) => bitmap(arrays[`thumbs_${name}`].data)),
    ]);
    if (mark !== this.mark) return;
    const strip = this.find(".strip");
    strip.replaceChildren();
    Object.values(message.worlds).forEach((one, i) => {
      const group = document.createElement("span");
      group.style.display = "contents";
      strip.append(group);
      const entries = one.pictures.map((entry, cell) => ({ ...entry, cell }));
      place(group, entries.filter((entry) => entry.kind !== "synthetic"), sheets[i], 1);
    });
    this.film = film;
    const made = world.pictures.filter((entry) => entry.kind === "synthetic");
    const side = film.height / world.steps.length;
    const shown = Array.from({ length: Math.round(film.width / side) }, (_, cell) => ({
      cell, name: made[cell]?.name ?? "", title: made[cell]?.title ?? "A synthetic image",
    }));
    place(this.find(".film-images"), shown, film, world.steps.length);
    this.find(".scrub").max = world.steps.length - 1;
    this.scrub(world.steps.length - 1);
    this.draw("controls");
  },
});

function numbersOf(bits) {
  return bits.slice(1).split("A").map(Number);
}

// The stored number format with these weight bits whose activation bits are nearest.
function nearest(formats, weights, activations) {
  const distance = (bits) => Math.abs(numbersOf(bits)[1] - activations);
  return formats.filter((bits) => numbersOf(bits)[0] === Number(weights)).sort((a, b) => distance(a) - distance(b))[0];
}

function checksum(bytes) {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 97) sum = (sum * 31 + bytes[i]) | 0;
  return sum;
}
