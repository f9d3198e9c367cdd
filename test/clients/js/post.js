// Sends a body that is too large with fetch, and prints the status of the answer.
const { FOOTFALL_URL: url, PATHNAME: path, BODY_BYTES: size } = process.env;
const headers = { 'Content-Type': 'application/json' };
const { status } = await fetch(url + path, { method: 'POST', headers, body: 'x'.repeat(Number(size)) });
console.log(JSON.stringify({ status }));
