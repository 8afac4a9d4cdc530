/** The report: what was found, in the words of a report, to be copied and edited. */

/** @import { About, Details } from "./answers.js" */

import { el } from "./elements.js";

/**
 * @param {HTMLDialogElement} dialog
 * @param {Details} detail - of a recording with a report
 * @param {About | null} about
 */
export function showReport(dialog, { name, model, report }, about) {
  const by = `Written by software: ictal ${about?.version ?? ""}, model ${model?.name ?? "unknown"}.`;
  const notice = `${by} ${about?.not_a_device ?? ""}`;
  const text = el("p", { id: "report-text", tabIndex: 0 }, report ?? "");
  const said = el("span", { id: "report-said", className: "soft", role: "status" });
  const copy = el("button", { id: "report-copy", type: "button" }, "Copy");
  copy.addEventListener("click", async () => {
    const isCopied = await copied(`${report}\n\n${notice}`);
    if (!isCopied) getSelection()?.selectAllChildren(text);
    said.textContent = isCopied ? "Copied, with the notice." : "The text is selected: copy it with Ctrl+C.";
  });
  dialog.replaceChildren(
    el("h2", { id: "report-title" }, `Report: ${name}`),
    text,
    el("p", { className: "note" }, notice),
    el("form", { method: "dialog" },
      el("p", { className: "buttons" }, said, copy, el("button", { className: "main" }, "Close"))),
  );
  dialog.showModal();
}

/**
 * Copy a text. Browsers allow it only on pages from this machine or with encryption.
 * @param {string} text
 */
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
