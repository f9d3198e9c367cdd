import { writeFileSync } from 'node:fs';
import { generatedDocuments } from './generated-documents.ts';

for (const [path, text] of Object.entries(generatedDocuments())) {
  writeFileSync(path, text);
  console.log(`written: ${path}`);
}
