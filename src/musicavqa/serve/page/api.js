"use strict";
// openapi.json for a reader; nothing is loaded from elsewhere.

const write = (kind, text, ...children) => {
  const node = document.createElement(kind);
  node.textContent = text;
  node.append(...children);
  return node;
};

function fields(schema) {
  const rows = Object.entries(schema.properties || {}).map(([name, about]) => {
    const kind = about.type || (about.anyOf || []).map((one) => one.type).join(" or ") || "one of several";
    return write("tr", "", write("td", name), write("td", kind), write("td", about.description || ""));
  });
  return write("table", "", ...rows);
}

async function begin() {
  const found = await (await fetch("/openapi.json")).json();
  document.getElementById("call").textContent =
    `curl -F file=@clip.mp4 -F 'questions=Which instrument plays first?' ${location.origin}/ask`;
  const place = document.getElementById("paths");
  for (const [path, methods] of Object.entries(found.paths)) {
    for (const [method, about] of Object.entries(methods)) {
      place.append(write("h2", `${method.toUpperCase()} ${path}`), write("p", about.description || about.summary || ""));
      const form = about.requestBody.content["multipart/form-data"].schema;
      place.append(write("h3", "Parts of the form"), fields(form), write("h3", "Answers"));
      const answers = Object.entries(about.responses).map(([code, one]) => write("li", `${code}: ${one.description}`));
      place.append(write("ul", "", ...answers));
      const document_ = about.responses["200"].content["application/json"].schema;
      place.append(write("h3", "The document"), fields(document_));
    }
  }
}

begin();
