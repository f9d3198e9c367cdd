// Writes the production image's bill of materials (CycloneDX) to standard output: npm's own, without what is only for
// development. The Dockerfile puts it into the image.
import { execFileSync } from 'node:child_process';
import { shippedPackages } from './shipped-packages.ts';

interface Bom {
  metadata: { component: { name: string } };
  components: { 'bom-ref': string; name: string; version: string }[];
  dependencies: { ref: string; dependsOn: string[] }[];
}

const MAX_BYTES = 64_000_000;

const options = ['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only'];
const bom = JSON.parse(execFileSync('npm', options, { encoding: 'utf8', maxBuffer: MAX_BYTES })) as Bom;
// npm takes the name of the folder.
bom.metadata.component.name = 'footfall';
const wanted = new Set(shippedPackages().map(({ name, version }) => `${name}@${version}`));
bom.components = bom.components.filter(({ name, version }) => wanted.has(`${name}@${version}`));
const listed = new Set(bom.components.map(({ name, version }) => `${name}@${version}`));
const missing = [...wanted].filter((id) => !listed.has(id));
if (missing.length > 0) throw new Error(`npm's list lacks ${missing.join(', ')}`);
const refs = new Set(bom.components.map((component) => component['bom-ref']));
bom.dependencies = bom.dependencies
  .filter(({ ref }) => refs.has(ref) || ref.startsWith('footfall@'))
  .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((one) => refs.has(one)) }));
console.log(JSON.stringify(bom, undefined, 1));
