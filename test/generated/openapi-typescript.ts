// Loaded before openapi-typescript, which builds its output with the compiler's JavaScript API. TypeScript 7 has none any
// more; @ts-morph/common brings the compiler that still has it.
import { registerHooks } from 'node:module';

const WITH_API = '@ts-morph/common/dist/typescript.js';

registerHooks({
  resolve: (specifier, context, next) => next(specifier === 'typescript' ? WITH_API : specifier, context),
});
