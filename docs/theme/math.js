// Formulas, by KaTeX from this site: Markdown leaves \( \) and \[ \] around them.
for (const element of document.querySelectorAll(".arithmatex")) {
  const text = element.textContent.trim().replace(/^\\[([]/, "").replace(/\\[)\]]$/, "");
  katex.render(text, element, {displayMode: element.tagName === "DIV", throwOnError: false});
}
