// What every library of Segment's kind is asked to send.
export const {
  FOOTFALL_URL: url,
  FOOTFALL_KEY: key,
  FOOTFALL_USER: userId,
  WITH_REFUSED: withRefused,
} = process.env;

const MORE_THAN_A_USER_ID_MAY_HAVE = 1000;

/** @param client one with the methods of Segment's libraries, which take one object each */
export function sendAll(client) {
  client.track({ userId, event: 'PRODUCT_VIEW', properties: { name: 'Größe' } });
  client.track({ userId, event: 'Order Completed', properties: { total: 9.5 } });
  if (withRefused) {
    client.track({ userId: 'u'.repeat(MORE_THAN_A_USER_ID_MAY_HAVE), event: 'PRODUCT_VIEW', properties: {} });
  }
  client.identify({ userId, traits: { city: 'Köln' } });
  client.page({ userId, name: 'Home', properties: {} });
  client.screen({ userId, name: 'Home', properties: {} });
  client.group({ userId, groupId: 'g-1', traits: {} });
  client.alias({ userId, previousId: 'anonymous-1' });
}
