import { type Logger, pino } from 'pino';
import { describeError } from '../../src/observability/logger.ts';

export const silentLogger = pino({ level: 'silent' });

export interface LogLine {
  msg: string;
  err?: { message: string };
}

/** A logger as the service has it, and what it was told so far, from `info` on. */
export function listeningLogger(): { logger: Logger; lines: LogLine[] } {
  const lines: LogLine[] = [];
  const stream = { write: (text: string) => void lines.push(JSON.parse(text) as LogLine) };
  return { logger: pino({ base: null, serializers: { err: describeError } }, stream), lines };
}
