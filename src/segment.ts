// In: messages as Segment's libraries send them. Out: new events.
import type { Catalogue } from './catalogue.ts';
import { checkNewEvent, isDateTime, type NewEvent } from './event.ts';
import { callersUuid } from './event-ids.ts';
import type { JsonObject } from './json-body.ts';

/** The kinds of messages, each with a path of its own. */
export const SEGMENT_TYPES = ['track', 'identify', 'page', 'screen', 'group', 'alias'] as const;
export type SegmentType = (typeof SEGMENT_TYPES)[number];

/**
 * Reads one message. The eventType is what a track message calls its `event`, else the kind of message; the userId is
 * `userId`, else `anonymousId`; the eventId comes from `messageId` and the caller. The payload is the message as it is, so that
 * properties, traits and context are all there.
 *
 * @param kind as its path says; without one, its own `type`
 * @throws FootfallError `invalid_event`
 */
export function readSegmentMessage(
  { text, fields }: JsonObject,
  kind: SegmentType | undefined,
  catalogue: Catalogue,
  caller: string | undefined,
): NewEvent {
  const { event, userId, anonymousId, messageId, timestamp } = fields;
  const type = kind ?? fields.type;
  const read = {
    userId: userId ?? anonymousId,
    eventType: type === 'track' ? event : type,
    payload: fields,
    eventId:
      typeof messageId === 'string' && messageId !== ''
        ? callersUuid(caller, 'segment', messageId)
        : undefined,
    // Dates that are none came from clocks and libraries that nobody here can mend: it counts as it arrives.
    timestamp: isDateTime(timestamp) ? timestamp : undefined,
  };
  return checkNewEvent(read, () => text, catalogue);
}
