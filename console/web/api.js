// The console's API: GET only, JSON, errors with a code.

export class ApiError extends Error {
  constructor(code, message) { super(message); this.code = code; }
}

/** away tells whether it is worth asking again by itself. */
export const away = (err) => ['clickhouse_away', 'unreachable', 'not_ready'].includes(err?.code);

export async function get(path, params, signal) {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(params ?? {})) {
    if (value !== undefined && value !== null && value !== '') query.set(key, value);
  }
  let answer;
  const limit = AbortSignal.timeout(20000);
  try {
    answer = await fetch(`api/v1/${path}?${query}`, { signal: signal ? AbortSignal.any([signal, limit]) : limit, headers: { Accept: 'application/json' } });
  } catch (err) {
    if (signal?.aborted) throw err;
    throw new ApiError('unreachable', 'The console itself does not answer.');
  }
  let body = null;
  try { body = await answer.json(); } catch { /* no JSON: told below */ }
  if (!answer.ok || body === null) {
    throw new ApiError(body?.error?.code ?? 'internal', body?.error?.message ?? `The console answered ${answer.status}.`);
  }
  return body;
}
