// Clients that behave, in a process of their own: each with a key, sending one event after the other.
import autocannon from 'autocannon';

/** What a process of clients is started with, as JSON. It says `GoodClientsResult` to who has started it, and ends. */
export interface GoodClientsData {
  url: string;
  keys: string[];
  seconds: number;
  /** Events a second of all clients together; as many as are answered if not given. */
  rate?: number | undefined;
}

export interface GoodClientsResult {
  /** Events answered with 2xx, of all clients together. */
  eventsPerSecond: number;
  /** The worst of the clients' medians. */
  p50Ms: number;
  /** Other answers, and requests that got none. */
  failures: number;
}

/** Of each client. */
const CONNECTIONS = 8;
const EVENT = {
  userId: 'user-1',
  eventType: 'PRODUCT_VIEW',
  payload: { productId: 'prod-789', price: 19.99 },
};

async function send({ url, keys, seconds, rate }: GoodClientsData): Promise<GoodClientsResult> {
  const results = await Promise.all(
    keys.map((key) =>
      autocannon({
        url: `${url}/events/generate`,
        method: 'POST',
        connections: CONNECTIONS,
        duration: seconds,
        ...(rate !== undefined && { overallRate: Math.ceil(rate / keys.length) }),
        headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
        body: JSON.stringify(EVENT),
      }),
    ),
  );
  const sum = (of: (result: autocannon.Result) => number) =>
    results.reduce((total, one) => total + of(one), 0);
  return {
    eventsPerSecond: sum((result) => result['2xx']) / seconds,
    p50Ms: Math.max(...results.map(({ latency }) => latency.p50)),
    failures: sum(({ non2xx, errors }) => non2xx + errors),
  };
}

process.send!(await send(JSON.parse(process.argv[2]!) as GoodClientsData));
