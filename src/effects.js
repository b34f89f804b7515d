// What the Rust in WebAssembly asks for, one function for each kind of effect: `effects[kind](payload, { request, env })`. Each
// returns a promise of a text (or of bytes, for a body). A promise that fails tells the Rust the error's message.

/** The text of whatever was thrown, its cause included: D1 puts the database's own words into either. */
export function message(error) {
  const own = error?.message ?? String(error);
  const cause = error?.cause?.message;
  return cause && !own.includes(cause) ? `${own}: ${cause}` : own;
}

/** How long an operation of the bucket may take. ElevenLabs waits meanwhile, and the database can keep an event as well. */
const BUCKET_PATIENCE_MS = 5_000;

/** What the promise gives, unless it takes too long. */
async function patiently(promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("no answer within 5 seconds")), BUCKET_PATIENCE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** A text of more characters goes into WebAssembly as bytes: wasm-bindgen copies a text one character after the other. */
const LONG = 1000;
const encoder = new TextEncoder();

export const effects = {
  /** The request's whole body as bytes. */
  body: async (_, { request }) => new Uint8Array(await request.arrayBuffer()),

  /** The next chunk of the request's body as bytes; an empty text at its end. */
  async chunk(_, io) {
    io.reader ??= io.request.body?.getReader();
    const { value } = (await io.reader?.read()) ?? {};
    return value ?? "";
  },

  /**
   * Statements for D1, `[[sql, [parameter, …]], …]`, in one round trip and one transaction. The result has two lines for each
   * statement: the rows read and written, and the rows as JSON.
   */
  async query(statements, { env }) {
    if (typeof env.DB?.prepare !== "function") throw new Error("the D1 binding is missing from the configuration");
    const prepared = statements.map(([sql, parameters]) => {
      const statement = env.DB.prepare(sql);
      return parameters.length > 0 ? statement.bind(...parameters) : statement;
    });
    const results = prepared.length === 1 ? [await prepared[0].all()] : await env.DB.batch(prepared);
    let text = "";
    for (const { meta, results: rows } of results) {
      text += `${meta.rows_read ?? 0} ${meta.rows_written ?? 0}\n${rows?.length ? JSON.stringify(rows) : ""}\n`;
    }
    return text.length > LONG ? encoder.encode(text) : text;
  },

  /** One request to ElevenLabs. The result is the status, a line end and the body; or "timeout". */
  async exchange({ method, url, api_key, body, timeout_ms }) {
    const headers = { "xi-api-key": api_key, accept: "application/json" };
    if (body !== null) headers["content-type"] = "application/json";
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), timeout_ms);
    try {
      // A redirect would send the same call twice.
      const answer = await fetch(url, { method, headers, body, redirect: "manual", signal: abort.signal });
      return `${answer.status}\n${await answer.text()}`;
    } catch (error) {
      if (abort.signal.aborted) return "timeout";
      throw error;
    } finally {
      clearTimeout(timer);
    }
  },

  /** Writes a text into the bucket, in place of what is there under its key. */
  async put([key, text], { env }) {
    await patiently(env.EVENTS.put(key, text));
    return "";
  },

  /** Reads a text from the bucket: "=" and the text, or nothing where there is no object. */
  async get(key, { env }) {
    const read = async () => (await env.EVENTS.get(key))?.text();
    const text = await patiently(read());
    return text === undefined ? "" : `=${text}`;
  },

  /** Deletes objects of the bucket. Keys without an object are no error. */
  async delete(keys, { env }) {
    await patiently(env.EVENTS.delete(keys));
    return "";
  },

  /** Waits so many milliseconds. */
  sleep: (millis) => new Promise((resolve) => setTimeout(resolve, millis, "")),

  /** Asks a rate limit binding whether it admits one more of a key: "yes" or "no". */
  async limit([name, key], { env }) {
    const { success } = await env[name].limit({ key });
    return success === false ? "no" : "yes";
  },
};
