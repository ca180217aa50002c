// What the page knows about the scan, and short ways to its parts.

const facts = JSON.parse(document.getElementById("facts").textContent);
const part = (id) => document.getElementById(id);
const each = (selector, action, root = document) => root.querySelectorAll(selector).forEach(action);

function made(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element && name !== "role") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

let silence = 0;

// A sentence for everybody, also read out by screen readers; it fades after some seconds.
function say(text) {
  const place = part("say");
  place.textContent = text;
  place.classList.add("shown");
  clearTimeout(silence);
  silence = setTimeout(() => place.classList.remove("shown"), 4000);
}
