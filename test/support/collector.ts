import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export interface ReceivedSpan {
  name: string;
  traceId: string;
  spanId: string;
  /** Empty for the first of its trace. */
  parentId: string;
  attributes: Record<string, string | number>;
  /** Spans of other traces, each as `traceId-spanId`. */
  links: string[];
  failed: boolean;
}

/** Takes spans as OpenTelemetry's collector does: OTLP over HTTP, in protobuf. */
export async function openCollector(): Promise<{ url: string; spans: ReceivedSpan[]; paths: string[] }> {
  const spans: ReceivedSpan[] = [];
  const paths: string[] = [];
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await Array.fromAsync(request as AsyncIterable<Buffer>));
    paths.push(`${request.method} ${request.url}`);
    // Resources, their scopes, and the spans of those.
    const scopes = fields(body)
      .many(1)
      .flatMap((resource) => fields(resource).many(2));
    spans.push(...scopes.flatMap((scope) => fields(scope).many(2)).map(readSpan));
    response.setHeader('Content-Type', 'application/x-protobuf').end();
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, spans, paths };
}

function readSpan(bytes: Buffer): ReceivedSpan {
  const span = fields(bytes);
  return {
    name: span.text(5),
    traceId: span.hex(1),
    spanId: span.hex(2),
    parentId: span.hex(4),
    attributes: Object.fromEntries(span.many(9).map(readAttribute)),
    links: span.many(13).map((link) => `${fields(link).hex(1)}-${fields(link).hex(2)}`),
    failed: span.many(15).some((status) => fields(status).number(3) === 2),
  };
}

function readAttribute(bytes: Buffer): [name: string, value: string | number] {
  const attribute = fields(bytes);
  const value = fields(attribute.many(2)[0] ?? Buffer.alloc(0));
  return [attribute.text(1), value.number(3) ?? value.text(1)];
}

/** The fields of a protobuf message, by their numbers. */
function fields(bytes: Buffer) {
  const found: { field: number; value: Buffer | number }[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++]!;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  };
  const take = (length: number): Buffer => {
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const tag = varint();
    const field = Math.floor(tag / 8);
    const type = tag % 8;
    if (type === 0) found.push({ field, value: varint() });
    else found.push({ field, value: take(type === 2 ? varint() : type === 1 ? 8 : 4) });
  }
  const many = (wanted: number): Buffer[] =>
    found.flatMap(({ field, value }) => (field === wanted && Buffer.isBuffer(value) ? [value] : []));
  return {
    many,
    text: (wanted: number) => many(wanted)[0]?.toString() ?? '',
    hex: (wanted: number) => many(wanted)[0]?.toString('hex') ?? '',
    number: (wanted: number) => found.find(({ field }) => field === wanted)?.value as number | undefined,
  };
}
