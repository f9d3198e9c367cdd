// Plain JavaScript that any Node reads: an older one gets a sentence instead of a syntax error.
const [major, minor] = process.versions.node.split('.').map(Number);
const isNew = major > 26 || (major === 26 && minor >= 1) || (major === 24 && minor >= 16);
if (!isNew) {
  console.error(
    `Footfall needs Node.js 24.16 (or a later 24) or 26.1 or later, and this is ${process.versions.node}. Install it from https://nodejs.org, or run "npm ci" (with the development dependencies), which brings one along.`,
  );
  process.exit(2);
}
