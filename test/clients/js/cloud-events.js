import { CloudEvent, emitterFor, httpTransport, Mode } from 'cloudevents';

const { FOOTFALL_URL: url, FOOTFALL_USER: subject } = process.env;

/** @returns the status: the SDK does not look at it */
async function send(id, mode) {
  const event = new CloudEvent({ id, source: '/matrix', type: 'LOGIN', subject, data: { city: 'Köln' } });
  const { body } = await emitterFor(httpTransport(`${url}/cloudevents`), { mode })(event);
  if (!JSON.parse(body).success) throw new Error(body);
}

for (const id of ['binary', 'binary']) await send(id, Mode.BINARY);
for (const id of ['structured', 'structured']) await send(id, Mode.STRUCTURED);
console.log(JSON.stringify({ errors: [] }));
