"use strict";
// Sorts tables and shows pictures. Without it the page still has its words, tables and plots.

const PAGE = matchMedia("(max-width: 40rem)").matches ? 12 : 24; // cards at a time
const TINY = 64;
const collator = new Intl.Collator(undefined, { numeric: true });
const make = (id) => document.getElementById(id).content.firstElementChild.cloneNode(true);

// ---- tables

for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => sortBy(button.closest("th")));
}

function sortBy(header) {
  const before = header.getAttribute("aria-sort");
  const first = header.classList.contains("number") ? "descending" : "ascending";
  const second = first === "ascending" ? "descending" : "ascending";
  const now = before === first ? second : first;
  for (const other of header.parentNode.cells) other.setAttribute("aria-sort", "none");
  header.setAttribute("aria-sort", now);
  const sign = now === "ascending" ? 1 : -1;
  const body = header.closest("table").tBodies[0];
  const rows = [...body.rows].sort((a, b) => compare(a.cells[header.cellIndex], b.cells[header.cellIndex], sign));
  body.append(...rows);
}

function compare(a, b, sign) {
  const [x, y] = [a.dataset.order, b.dataset.order];
  if (x !== undefined && y !== undefined) return sign * (x - y);
  if (x !== undefined || y !== undefined) return x !== undefined ? -1 : 1; // what has no number comes last
  return sign * collator.compare(a.textContent, b.textContent);
}

// ---- galleries

const data = JSON.parse(document.getElementById("pictures")?.textContent ?? "null");
for (const section of document.querySelectorAll(".gallery")) showGallery(section, data.galleries[section.dataset.gallery]);

function showGallery(section, pictures) {
  const form = section.querySelector("form");
  const list = section.querySelector(".cards");
  const more = section.querySelector(".more");
  let found = [];

  const update = () => {
    hintBounds(form, pictures);
    found = chosen(pictures, form);
    section.querySelector("[role=status]").textContent = said(found.length, pictures.length);
    list.replaceChildren();
    showMore();
  };
  const showMore = () => {
    const start = list.children.length;
    const next = found.slice(start, start + PAGE);
    list.append(...next.map((picture, i) => card(picture, form.score?.value, () => openDialog(found, start + i))));
    const left = found.length - list.children.length;
    more.hidden = left === 0;
    more.textContent = `Show ${Math.min(PAGE, left)} more (${left.toLocaleString("en")} left)`;
    return list.children[start];
  };

  form.addEventListener("input", update);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(update)); // the fields are cleared after this event
  form.score?.addEventListener("input", () => { form.low.value = form.high.value = ""; });
  more.addEventListener("click", () => showMore()?.querySelector("button").focus());
  update();
}

function said(found, all) {
  const number = (n) => n.toLocaleString("en");
  if (found === all) return all === 1 ? "1 picture" : `${number(all)} pictures`;
  return found ? `${number(found)} of ${number(all)} pictures` : "No picture fits. Clear the filters to see all.";
}

function score(picture, name) {
  return picture.scores.find((each) => each[0] === name)?.[1] ?? null;
}

function hintBounds(form, pictures) {
  if (!form.score) return;
  const values = pictures.map((picture) => score(picture, form.score.value)).filter((value) => value !== null);
  const ends = values.length ? [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))] : [];
  [form.low, form.high].forEach((input, i) => { input.placeholder = ends.length ? Number(ends[i].toPrecision(3)) : ""; });
}

function chosen(pictures, form) {
  const words = form.text.value.toLowerCase().split(/\s+/).filter(Boolean);
  const low = form.low?.value ? Number(form.low.value) : null;
  const high = form.high?.value ? Number(form.high.value) : null;
  const fits = (picture) => {
    if (form.label.value && picture.label !== form.label.value) return false;
    const value = score(picture, form.score?.value);
    if (low !== null && (value === null || value < low)) return false;
    if (high !== null && (value === null || value > high)) return false;
    return words.every((word) => searchable(picture).includes(word));
  };
  const found = pictures.filter(fits);
  const sign = Number(form.order?.value || 0);
  if (!sign) return found;
  const last = sign * Infinity;
  const order = (picture) => score(picture, form.score.value) ?? last;
  return found.sort((a, b) => (order(a) === order(b) ? 0 : sign * (order(a) - order(b))));
}

function searchable(picture) {
  picture.search ??= [picture.label, ...picture.groups.flatMap((group) => group[1].flat())].join("\n").toLowerCase();
  return picture.search;
}

function card(picture, scoreName, open) {
  const item = make("card");
  const part = (name) => item.querySelector(`.${name}`);
  part("images").append(...images(picture));
  part("label").textContent = picture.label;
  part("change").textContent = picture.changed || picture.words;
  const shown = [...picture.scores].sort((a, b) => (b[0] === scoreName) - (a[0] === scoreName)).slice(0, 2);
  part("chips").append(...shown.map(([name, , text]) => element("span", `${name} ${text}`)));
  item.querySelector("button").addEventListener("click", open);
  return item;
}

function images(picture) {
  const result = image(picture.image, `${picture.label}: ${picture.words || "picture"}`);
  const shown = picture.source ? [image(picture.source, `source of the next picture, ${picture.label}`), result] : [result];
  return picture.difference ? [...shown, image(picture.difference, "where the two differ: the brighter, the more")] : shown;
}

function image(digest, words) {
  const found = data.images[digest];
  if (found.missing) {
    const frame = make("missing");
    frame.firstChild.textContent = found.missing;
    frame.firstChild.setAttribute("aria-label", `${words}. It cannot be shown: ${found.missing}`);
    return frame;
  }
  const frame = make("picture");
  const [uri, width, height] = found;
  Object.assign(frame.firstChild, { src: uri, alt: words, width, height });
  frame.classList.toggle("tiny", Math.max(width, height) <= TINY);
  return frame;
}

function element(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}

// ---- the lineage of one picture

const dialog = document.getElementById("lineage");
let shown = { pictures: [], index: 0 };

function openDialog(pictures, index) {
  shown = { pictures, index };
  const picture = pictures[index];
  const part = (name) => dialog.querySelector(`[data-part=${name}]`);
  document.getElementById("lineage-title").textContent = picture.label;
  part("position").textContent = `${(index + 1).toLocaleString("en")} of ${pictures.length.toLocaleString("en")}`;
  part("images").replaceChildren(...images(picture).map((frame, i, all) => figure(frame, all.length, i)));
  part("over").replaceChildren(...(picture.source && picture.difference ? [slider(picture)] : []), ...strip(picture.steps));
  const scores = picture.scores.length ? [["Scores", picture.scores.map(([name, , text]) => [name, text])]] : [];
  part("groups").replaceChildren(...[...scores, ...picture.groups].map(group));
  // not `disabled`: a button that is disabled loses the focus, and the arrow keys with it
  dialog.querySelector("[data-go='-1']").ariaDisabled = index === 0;
  dialog.querySelector("[data-go='1']").ariaDisabled = index === pictures.length - 1;
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
}

function figure(frame, count, index) {
  const made = document.createElement("figure");
  made.append(frame, element("figcaption", count === 1 ? "result" : ["source", "result", "difference"][index]));
  return made;
}

function slider(picture) {
  const made = make("compare");
  const stack = made.querySelector(".stack");
  const range = made.querySelector("input");
  const cut = () => stack.style.setProperty("--cut", `${range.value}%`);
  stack.append(...images(picture).slice(0, 2));
  range.addEventListener("input", cut);
  cut();
  return made;
}

function strip(steps) {
  if (!steps.length) return [];
  const list = element("div", "");
  list.className = "strip";
  list.append(...steps.map((digest, i) => {
    const made = document.createElement("figure");
    made.append(image(digest, `step ${i + 1} of ${steps.length}`), element("figcaption", i + 1));
    return made;
  }));
  return [element("h3", "Step by step"), list];
}

function group([title, rows]) {
  const made = document.createElement("section");
  const facts = document.createElement("dl");
  facts.className = "facts";
  facts.append(...rows.flatMap(([name, text]) => [element("dt", name), element("dd", text)]));
  made.append(element("h3", title), facts);
  return made;
}

function go(step) {
  const index = shown.index + step;
  if (index >= 0 && index < shown.pictures.length) openDialog(shown.pictures, index);
}

dialog?.addEventListener("click", (event) => {
  const step = event.target.closest("button")?.dataset.go;
  if (event.target === dialog || step === "0") dialog.close(); // the backdrop is the dialog itself
  else if (step) go(Number(step));
});
dialog?.addEventListener("keydown", (event) => {
  if (event.target.matches("input")) return; // the arrows move the slider
  if (event.key === "ArrowLeft") go(-1);
  if (event.key === "ArrowRight") go(1);
});
