import { Analytics } from '@segment/analytics-node';
import { key, sendAll, url } from './messages.js';

const errors = [];
const analytics = new Analytics({ writeKey: key, host: url });
analytics.on('error', (error) => errors.push(String(error.reason ?? error)));
sendAll(analytics);
await analytics.closeAndFlush({ timeout: 60_000 });
console.log(JSON.stringify({ errors }));
