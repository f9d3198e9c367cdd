import RudderAnalytics from '@rudderstack/rudder-sdk-node';
import { key, sendAll, url } from './messages.js';

const errors = [];
const analytics = new RudderAnalytics(key, {
  dataPlaneUrl: url,
  errorHandler: (error) => errors.push(String(error)),
});
sendAll(analytics);
await analytics.flush().catch((error) => errors.push(String(error)));
console.log(JSON.stringify({ errors }));
