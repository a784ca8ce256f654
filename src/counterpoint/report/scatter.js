"use strict";
document.querySelectorAll(".plot").forEach(function (box) {
  const d = JSON.parse(box.querySelector("script").textContent);
  const make = (tag, text, parent) => {
    const e = document.createElement(tag);
    if (text) e.textContent = text;
    (parent || box).appendChild(e);
    return e;
  };
  let view = d.views[0].key, by = d.by[0], at = -1, places = [];
  const keys = make("div"); keys.className = "keys";
  const group = (title, list, pick) => {
    const g = make("div", "", keys); make("span", title, g);
    list.forEach(([key, text]) => {
      const b = make("button", text, g); b.type = "button"; b.dataset.key = key;
      b.onclick = () => { pick(key); draw(); };
    });
    return g;
  };
  const views = group("Plane", d.views.map(v => [v.key, v.title]), k => { view = k; });
  const bys = group("Colour", d.by.map(k => [k, k]), k => { by = k; });
  const canvas = make("canvas"); canvas.tabIndex = 0; canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", d.said);
  const legend = make("div"); legend.className = "legend";
  const tip = make("div"); tip.className = "tip"; tip.hidden = true; tip.setAttribute("role", "status");
  const ramp = v => {
    const x = Math.max(0, Math.min(1, v)) * (d.ramp.length - 1), i = Math.min(Math.floor(x), d.ramp.length - 2);
    const mix = d.ramp[i].map((a, k) => Math.round(a + (d.ramp[i + 1][k] - a) * (x - i)));
    return "rgb(" + mix + ")";
  };
  const colour = i => {
    if (by === "label") return d.label[i] < 0 ? "#8c8c8c" : d.colours[d.label[i] % d.colours.length];
    if (by === "modality") return d.colours[d.of[i] % d.colours.length];
    return d.score[i] === null ? "#c8c8c8" : ramp(d.score[i]);
  };
  const shape = (c, kind, x, y, r) => {
    c.beginPath();
    if (kind === 0) c.arc(x, y, r, 0, 6.3);
    else if (kind === 1) { c.moveTo(x, y - 1.3 * r); c.lineTo(x + 1.15 * r, y + .8 * r); c.lineTo(x - 1.15 * r, y + .8 * r); }
    else if (kind === 2) c.rect(x - .9 * r, y - .9 * r, 1.8 * r, 1.8 * r);
    else if (kind === 3) { c.moveTo(x, y - 1.35 * r); c.lineTo(x + 1.35 * r, y); c.lineTo(x, y + 1.35 * r); c.lineTo(x - 1.35 * r, y); }
    else if (kind === 4) { c.moveTo(x, y + 1.3 * r); c.lineTo(x + 1.15 * r, y - .8 * r); c.lineTo(x - 1.15 * r, y - .8 * r); }
    else if (kind === 5) { c.rect(x - 1.2 * r, y - .4 * r, 2.4 * r, .8 * r); c.rect(x - .4 * r, y - 1.2 * r, .8 * r, 2.4 * r); }
    else { c.rect(x - 1.2 * r, y - .5 * r, 2.4 * r, r); }
    c.closePath();
  };
  function draw() {
    const w = canvas.clientWidth, h = canvas.clientHeight, s = window.devicePixelRatio || 1;
    canvas.width = w * s; canvas.height = h * s;
    const c = canvas.getContext("2d"), p = d.views.find(v => v.key === view).points, pad = 14;
    c.scale(s, s); c.clearRect(0, 0, w, h);
    const r = Math.max(2, Math.min(4.5, 90 / Math.sqrt(d.of.length)));
    places = d.order.map(i => [pad + p[2 * i] / 1000 * (w - 2 * pad), pad + (1 - p[2 * i + 1] / 1000) * (h - 2 * pad), i]);
    places.forEach(([x, y, i]) => {
      c.globalAlpha = .8; c.fillStyle = colour(i); shape(c, d.of[i] % 7, x, y, r); c.fill();
    });
    const here = places.find(q => q[2] === at);
    tip.hidden = !here;
    if (here) {
      const [x, y, i] = here;
      c.globalAlpha = 1; c.strokeStyle = "#000"; c.lineWidth = 1.5; c.beginPath(); c.arc(x, y, 2 * r, 0, 6.3); c.stroke();
      tip.textContent = "row " + d.row[i] + " · " + (d.label[i] < 0 ? "label unknown" : d.label_name + " " + d.classes[d.label[i]]) +
        " · " + d.names[d.of[i]] + (d.nats[i] === null ? "" : " · divergence " + d.nats[i] + " nats");
      tip.style.top = (canvas.offsetTop + y + (y > h / 2 ? -38 : 14)) + "px";
      tip.style.left = "0px";
      tip.style.left = Math.max(4, Math.min(box.clientWidth - tip.offsetWidth - 4, canvas.offsetLeft + x - tip.offsetWidth / 2)) + "px";
    }
    [[views, view], [bys, by]].forEach(([g, k]) => g.querySelectorAll("button").forEach(b =>
      b.setAttribute("aria-pressed", String(b.dataset.key === k))));
    legend.textContent = "";
    if (by === "agreement") {
      make("span", "agree", legend);
      const bar = make("i", "", legend); bar.className = "ramp";
      bar.style.background = "linear-gradient(90deg," + [0, .25, .5, .75, 1].map(ramp) + ")";
      make("span", "disagree (divergence between the row's modalities, " + d.range + " nats)", legend);
    } else (by === "label" ? d.classes : d.names).forEach((name, k) => {
      const e = make("span", "", legend), dot = make("i", "", e);
      dot.style.background = d.colours[k % d.colours.length]; e.append(name);
    });
    const marks = "●▲■◆▼✚▬";
    if (d.names.length > 1) make("span", "shapes: " + d.names.map((n, k) => marks[k % 7] + " " + n).join("  "), legend);
  }
  const near = e => {
    const q = canvas.getBoundingClientRect(), x = e.clientX - q.left, y = e.clientY - q.top;
    let best = 400, found = -1;
    places.forEach(([a, b, i]) => { const g = (a - x) ** 2 + (b - y) ** 2; if (g <= best) { best = g; found = i; } });
    if (found !== at) { at = found; draw(); }
  };
  canvas.addEventListener("pointermove", near); canvas.addEventListener("pointerdown", near);
  canvas.addEventListener("pointerleave", () => { at = -1; draw(); });
  canvas.addEventListener("keydown", e => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[e.key];
    if (step) { at = (at + step + d.of.length) % d.of.length; draw(); e.preventDefault(); }
    if (e.key === "Escape") { at = -1; draw(); }
  });
  new ResizeObserver(draw).observe(canvas);
  window.matchMedia("print").addEventListener("change", draw);
  draw();
});
