/** The server's answers. Every call carries the token that the page was opened with. */

const token = new URLSearchParams(location.search).get("token") ?? "";

/** What the server refused or could not do, in words for a reader; status 0: it was not reached. */
export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function ask(path, init = {}) {
  let answer;
  try {
    answer = await fetch(path, { ...init, headers: { "X-Ictal-Token": token, ...init.headers } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "No connection to ictal. Is it still running?");
  }
  if (!answer.ok) throw new ApiError(answer.status, await reason(answer));
  return answer;
}

async function reason(answer) {
  if (answer.status === 401) return "The token is missing or old. Open the address that ictal view printed.";
  const { detail } = await answer.json().catch(() => ({}));
  const first = Array.isArray(detail) ? detail[0]?.msg?.replace("Value error, ", "") : detail;
  return first ?? `ictal answered ${answer.status}`;
}

function query(values) {
  const known = Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return new URLSearchParams(known).toString();
}

/** GET as JSON. */
export async function get(path, values = {}, signal = undefined) {
  return (await ask(`/api/${path}?${query(values)}`, { signal })).json();
}

/** POST or DELETE; the body goes as JSON. */
export async function send(method, path, body, values = {}) {
  const init = { method, body: body && JSON.stringify(body), headers: body ? { "Content-Type": "application/json" } : {} };
  const answer = await ask(`/api/${path}?${query(values)}`, init);
  return answer.status === 204 ? null : answer.json();
}

/** Send a file. */
export async function upload(file) {
  const body = new FormData();
  body.append("file", file);
  return (await ask("/api/upload", { method: "POST", body })).json();
}

/** Let the browser save what a path answers. */
export async function save(path, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await (await ask(`/api/${path}`)).blob());
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/**
 * Traces: the header {rows, groups, n, kind, start_s, stop_s, rate_hz} and `values`, µV, [row][n] or [row][n][2];
 * NaN where the recording has none.
 */
export async function signal(id, values) {
  const bytes = await (await ask(`/api/recordings/${id}/signal?${query(values)}`)).arrayBuffer();
  const length = new DataView(bytes).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length)));
  return { ...header, values: new Float32Array(bytes, 4 * Math.ceil((4 + length) / 4)) };
}
